"""Break the losses in every way of loss_mutants.toml, one at a time, and see that their tests notice each.

    python scripts/audits/mutate_losses.py
    python scripts/audits/mutate_losses.py gmpo dual

Each mutant is made in a copy of the source, in a temporary folder; the tests of the losses run against that copy. Exit
status 1 if one of them survives. Arguments choose mutants by a part of their name.
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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
COPIED = (
    "lit_grpo",
    "pyproject.toml",
    "scripts/audits/check_losses.py",
    "tests/losses",
    "tests/numerics",
    "tests/test_advantages.py",
    "tests/test_logprobs.py",
)
OF_LOSSES = ("tests/losses", "tests/numerics")
AXES, PARTS = "tests/losses/test_objective_axes.py", "tests/losses/test_policy_losses.py"
TESTS = {
    "advantages.py": ("tests/test_advantages.py",),
    "logprobs.py": ("tests/test_logprobs.py",),
    "losses/entropy.py": (AXES,),
    "losses/mismatch_weight.py": ("tests/losses/test_mismatch_weight.py", "tests/numerics"),
    "losses/objective.py": (AXES,),
    "losses/overlong.py": (AXES,),
    "losses/reduction.py": (PARTS, *OF_LOSSES),
    "losses/reference_kl.py": (PARTS, *OF_LOSSES),
}
"""Which tests are to notice a change of a file, the likeliest first."""
OF_SURROGATES = ("tests/losses/test_surrogates.py", *OF_LOSSES)
"""Of every other file."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A defect, and how to put it into the source."""

    name: str
    file: str
    """Below lit_grpo/."""
    before: str
    """Occurs exactly once in the file."""
    after: str

    @property
    def tests(self) -> tuple[str, ...]:
        """Files and folders of tests that are to notice it."""
        return TESTS.get(self.file, OF_SURROGATES)


def read_mutants() -> list[Mutant]:
    """All of loss_mutants.toml."""
    text = (Path(__file__).parent / "loss_mutants.toml").read_text(encoding="utf8")
    return [Mutant(**fields) for fields in tomllib.loads(text)["mutants"]]


def copy_source(folder: Path) -> None:
    """What the tests of the losses need, without caches."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def apply(mutant: Mutant, folder: Path) -> None:
    """Change the copy.

    Raises:
        ValueError: what is to be changed does not occur exactly once.
    """
    path = folder / "lit_grpo" / mutant.file
    source = path.read_text(encoding="utf8")
    if (count := source.count(mutant.before)) != 1:
        raise ValueError(f"{mutant.name}: expected {mutant.before!r} once in {mutant.file}, got it {count} times")
    path.write_text(source.replace(mutant.before, mutant.after), encoding="utf8")


class Trial:
    """The tests on a copy of the source, in a fork of this process, which has loaded torch and pytest already."""

    def __init__(self, mutant: Mutant | None) -> None:
        """Start it; None: all tests on the source as it is."""
        self.mutant = mutant
        self._temporary = tempfile.TemporaryDirectory()
        folder = Path(self._temporary.name).resolve()
        copy_source(folder)
        tests = [name for name in COPIED if name.startswith("tests")]
        if mutant is not None:
            apply(mutant, folder)
            tests = list(mutant.tests)
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


def trials(mutants: Sequence[Mutant], jobs: int) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant, as its trial ends, with whether the tests passed all the same; ``jobs`` at a time."""
    waiting, running = list(reversed(mutants)), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            trial = Trial(waiting.pop())
            running[trial.process.sentinel] = trial
        for ended in connection.wait(list(running)):
            trial = running.pop(ended)
            yield trial.mutant, trial.passed()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each mutant with its fate; 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="PART", help="parts of the names of the mutants to make")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="mutants at a time (default: %(default)s)")
    parsed = parser.parse_args(arguments)
    mutants = read_mutants()
    chosen = [m for m in mutants if not parsed.names or any(part in m.name for part in parsed.names)]
    if not chosen:
        sys.exit(f"mutate_losses: expected parts of names like {mutants[0].name!r}, got {parsed.names}")
    torch.set_num_threads(1)
    if not Trial(None).passed():
        sys.exit("mutate_losses: expected tests that pass on the source as it is, got a failure; run pytest")
    started, survivors = time.monotonic(), []
    for mutant, passed in trials(chosen, parsed.jobs):
        print(f"{'SURVIVED' if passed else 'killed  '} {mutant.name}", flush=True)
        if passed:
            survivors.append(mutant.name)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} killed in {time.monotonic() - started:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
