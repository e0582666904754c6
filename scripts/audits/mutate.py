"""Break the source in every way of a file of mutants, one at a time, and see that the tests notice each.

    python scripts/audits/mutate.py loss_mutants.toml
    python scripts/audits/mutate.py loss_mutants.toml gmpo dual
    python scripts/audits/mutate.py checker_mutants.toml
    python scripts/audits/mutate.py verdict_mutants.toml

Each mutant is made in a copy of the source, in a temporary folder; the tests that its file names run against that copy.
Exit status 1 if one of them survives. Further arguments choose mutants by a part of their name.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Mutant:
    """A defect, and how to put it into the source."""

    name: str
    file: str
    """Below lit_grpo/."""
    before: str
    """Occurs exactly once in the file."""
    after: str


@dataclass(frozen=True, slots=True)
class Mutants:
    """A file of mutants, with the tests that are to notice them."""

    copied: tuple[str, ...]
    """Files and folders of the repository that the tests need; those below tests/ are run."""
    tests: Mapping[str, tuple[str, ...]]
    """Which tests are to notice a change of a file below lit_grpo/, the likeliest first."""
    otherwise: tuple[str, ...]
    """Those of every other file."""
    ignored: tuple[str, ...]
    """Copied for the other tests' sake, and not run by themselves."""
    mutants: tuple[Mutant, ...]

    @classmethod
    def read(cls, path: Path) -> Mutants:
        """All of a file such as loss_mutants.toml."""
        document = tomllib.loads(path.read_text(encoding="utf8"))
        return cls(
            copied=tuple(document["copied"]),
            tests={file: tuple(tests) for file, tests in document.get("tests", {}).items()},
            otherwise=tuple(document["otherwise"]),
            ignored=tuple(document.get("ignored", ())),
            mutants=tuple(Mutant(**fields) for fields in document["mutants"]),
        )

    def tests_of(self, mutant: Mutant | None) -> tuple[str, ...]:
        """Files and folders of tests that are to notice a mutant; all of them for the source as it is."""
        if mutant is None:
            return tuple(name for name in self.copied if name.startswith("tests") and name not in self.ignored)
        return self.tests.get(mutant.file, self.otherwise)


def copy_source(folder: Path, copied: Sequence[str]) -> None:
    """What the tests need, without caches."""
    for name in copied:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def apply(mutant: Mutant, folder: Path) -> None:
    """Change the copy.

    Raises:
        ValueError: What is to be changed does not occur exactly once.
    """
    path = folder / "lit_grpo" / mutant.file
    source = path.read_text(encoding="utf8")
    if (count := source.count(mutant.before)) != 1:
        raise ValueError(f"{mutant.name}: expected {mutant.before!r} once in {mutant.file}, got it {count} times")
    path.write_text(source.replace(mutant.before, mutant.after), encoding="utf8")


class Trial:
    """The tests on a copy of the source, in a fork of this process, which has loaded torch and pytest already."""

    def __init__(self, mutants: Mutants, mutant: Mutant | None) -> None:
        """Start it; None: all tests on the source as it is."""
        self.mutant = mutant
        self._temporary = tempfile.TemporaryDirectory()
        folder = Path(self._temporary.name).resolve()
        copy_source(folder, mutants.copied)
        tests = mutants.tests_of(mutant)
        if mutant is not None:
            apply(mutant, folder)
        self.process = multiprocessing.get_context("fork").Process(target=_tests, args=(folder, tests))
        self.process.start()

    def passed(self) -> bool:
        """Wait for the end. Whether no test failed."""
        self.process.join()
        self._temporary.cleanup()
        if self.process.exitcode not in (0, 1):
            raise RuntimeError(f"expected the tests to pass or fail, got exit status {self.process.exitcode}")
        return self.process.exitcode == 0


def _tests(folder: Path, tests: Sequence[str]) -> None:
    os.chdir(folder)
    with (folder / "output.txt").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        sys.path.insert(0, str(folder))
        sys.dont_write_bytecode = True
        options = ["-x", "-q", "-p", "no:cacheprovider", f"--rootdir={folder}"]
        failed = any(pytest.main([*options, test]) != 0 for test in tests)
        loaded = sys.modules["lit_grpo"].__file__
        assert loaded is not None
        os._exit(int(failed) if Path(loaded).is_relative_to(folder) else 3)


def trials(mutants: Mutants, chosen: Sequence[Mutant], jobs: int) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant, as its trial ends, with whether the tests passed all the same; ``jobs`` at a time."""
    waiting, running = list(reversed(chosen)), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            trial = Trial(mutants, waiting.pop())
            running[trial.process.sentinel] = trial
        for ended in connection.wait(list(running)):
            trial = running.pop(ended)
            yield trial.mutant, trial.passed()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each mutant with its fate; 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="of mutants, in this folder or by its path")
    parser.add_argument("names", nargs="*", metavar="PART", help="parts of the names of the mutants to make")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="mutants at a time (default: %(default)s)")
    parsed = parser.parse_args(arguments)
    mutants = Mutants.read(FOLDER / parsed.file)
    chosen = [m for m in mutants.mutants if not parsed.names or any(part in m.name for part in parsed.names)]
    if not chosen:
        sys.exit(f"mutate: expected parts of names like {mutants.mutants[0].name!r}, got {parsed.names}")
    torch.set_num_threads(1)
    if not Trial(mutants, None).passed():
        sys.exit("mutate: expected tests that pass on the source as it is, got a failure; run pytest")
    started, survivors = time.monotonic(), []
    for mutant, passed in trials(mutants, chosen, parsed.jobs):
        print(f"{'SURVIVED' if passed else 'killed  '} {mutant.name}", flush=True)
        if passed:
            survivors.append(mutant.name)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} killed in {time.monotonic() - started:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
