"""The mutants of the losses: whether the tests kill them takes minutes, and is what the script itself is for.

1. What each one changes occurs exactly once, and the change parses; names are unique.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mutate_losses import Mutant, apply, copy_source, read_mutants

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("mutant", read_mutants(), ids=lambda mutant: mutant.name)
def test_1_each_can_be_made(mutant: Mutant, tmp_path: Path) -> None:
    copied = tmp_path / "lit_grpo" / mutant.file
    copied.parent.mkdir(parents=True)
    source = (ROOT / "lit_grpo" / mutant.file).read_text(encoding="utf8")
    copied.write_text(source, encoding="utf8")
    apply(mutant, tmp_path)
    assert ast.dump(ast.parse(copied.read_text(encoding="utf8"))) != ast.dump(ast.parse(source))


def test_1_names_are_unique() -> None:
    names = [mutant.name for mutant in read_mutants()]
    assert len(names) == len(set(names)) > 100


def test_1_what_is_not_there_is_named(tmp_path: Path) -> None:
    copy_source(tmp_path)
    with pytest.raises(
        ValueError, match=r"nothing: expected 'no such line' once in losses/clipped\.py, got it 0 times"
    ):
        apply(Mutant("nothing", "losses/clipped.py", "no such line", ""), tmp_path)
