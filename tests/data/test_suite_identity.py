"""One suite, however it is made: all kinds and difficulties, byte for byte.

1. One process, two processes, and two that were interrupted and called again write the same files.
"""

from pathlib import Path

import pytest

from lit_grpo.data.splits import Cell
from lit_grpo.data.suite import SuiteSettings
from lit_grpo.data.suite_maker import make_suite
from lit_grpo.environment.faults.fault_kinds import FaultKind

SETTINGS = SuiteSettings(num_tasks=2, seed=3)


def quiet(cell: Cell, num_tasks: int) -> None:
    """A report to nobody."""


def interrupt_in_the_middle(cell: Cell, num_tasks: int) -> None:
    """Ctrl-C while the first cell of kind E is settled."""
    if cell.kind is FaultKind.MULTIPLE:
        raise KeyboardInterrupt


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_1_byte_for_byte(tmp_path: Path) -> None:
    one, two, resumed = (tmp_path / name for name in ("one", "two", "resumed"))
    make_suite(one, SETTINGS, 1, quiet)
    make_suite(two, SETTINGS, 2, quiet)
    with pytest.raises(KeyboardInterrupt):
        make_suite(resumed, SETTINGS, 2, interrupt_in_the_middle)
    assert 0 < len(content(resumed)) < len(content(one))
    make_suite(resumed, SETTINGS, 1, quiet)
    assert len(content(one)) == 28  # 9 kinds x 3 difficulties, and what the suite was made with
    assert content(one) == content(two) == content(resumed)
