"""The mutants of losses, checker and verdict: whether the tests kill them takes minutes, and is the script's work.

1. What each one changes occurs exactly once, and the change parses; names are unique.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mutate import FOLDER, Mutant, Mutants, apply, copy_source

ROOT = Path(__file__).parents[3]


FILES = {
    name: Mutants.read(FOLDER / name) for name in ("loss_mutants.toml", "checker_mutants.toml", "verdict_mutants.toml")
}


@pytest.mark.parametrize(
    "mutant", [m for mutants in FILES.values() for m in mutants.mutants], ids=lambda mutant: mutant.name
)
def test_1_each_can_be_made(mutant: Mutant, tmp_path: Path) -> None:
    copied = tmp_path / "lit_grpo" / mutant.file
    copied.parent.mkdir(parents=True)
    source = (ROOT / "lit_grpo" / mutant.file).read_text(encoding="utf8")
    copied.write_text(source, encoding="utf8")
    apply(mutant, tmp_path)
    assert ast.dump(ast.parse(copied.read_text(encoding="utf8"))) != ast.dump(ast.parse(source))


@pytest.mark.parametrize(
    ("file", "least"), [("loss_mutants.toml", 100), ("checker_mutants.toml", 40), ("verdict_mutants.toml", 80)]
)
def test_1_names_are_unique_and_the_tests_exist(file: str, least: int) -> None:
    names = [mutant.name for mutant in FILES[file].mutants]
    assert len(names) == len(set(names)) >= least
    tests = [name for mutant in (None, *FILES[file].mutants) for name in FILES[file].tests_of(mutant)]
    assert all((ROOT / name).exists() for name in (*tests, *FILES[file].copied))


def test_1_what_is_not_there_is_named(tmp_path: Path) -> None:
    copy_source(tmp_path, FILES["loss_mutants.toml"].copied)
    with pytest.raises(
        ValueError, match=r"nothing: expected 'no such line' once in losses/clipped\.py, got it 0 times"
    ):
        apply(Mutant("nothing", "losses/clipped.py", "no such line", ""), tmp_path)
