"""The soak: it ends well on an environment that leaks nothing, and says what grew where something did.

1. Eighty episodes, in this process and in a worker, end with status 0.
2. Memory beyond the margin, any descriptor and a replaced worker are findings, over the last half and only there.
"""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from soak_environment import MIB, Footprint, leaks

SCRIPT = Path(__file__).parents[3] / "scripts" / "audits" / "soak_environment.py"
STEADY = [Footprint(n, 0.0, 50 * MIB, 30 * MIB, 8, (71,)) for n in (0, 10, 20, 30, 40)]


def test_1_nothing_leaks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # Of so few episodes the allocators have not settled, so the margin is wide: this is about the path.
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--episodes", "80", "--margin-mb", "50"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "--workers 0" in shown
    assert "--workers 1" in shown


def test_2_nothing_grew() -> None:
    assert leaks(STEADY, 2.0) == []
    early = [replace(STEADY[0], own_bytes=0, descriptors=5), *STEADY[1:]]
    assert leaks(early, 2.0) == []
    within = [*STEADY[:4], replace(STEADY[4], own_bytes=52 * MIB)]
    assert leaks(within, 2.0) == []


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"own_bytes": 53 * MIB}, "resident memory grew by 3.0 MiB over the last half; allowed: 2"),
        ({"worker_bytes": 33 * MIB}, "the workers' resident memory grew by 3.0 MiB over the last half; allowed: 2"),
        ({"descriptors": 9}, "open descriptors grew from 8 to 9 over the last half"),
        ({"workers": (72,)}, "workers were replaced: (71,) at the start, (72,) at the end"),
    ],
)
def test_2_findings(change: dict[str, object], finding: str) -> None:
    assert leaks([*STEADY[:4], replace(STEADY[4], **change)], 2.0) == [finding]
