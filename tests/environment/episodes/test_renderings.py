"""The compact rendering of tasks of each kind, byte for byte as in renderings/KIND.txt: models are trained on it.

After a change on purpose, raise RENDERING_VERSION and write the files anew:
``python tests/environment/episodes/test_renderings.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import RENDERING_VERSION, ObservationStyle, initial_observation
from lit_grpo.environment.faults.injection import FaultKind, kinds_of
from lit_grpo.environment.solver.highs import HighsSolver

FOLDER = Path(__file__).parent / "renderings"
SOLVER = HighsSolver()


def rendering(kind: FaultKind) -> str:
    """Two tasks of the kind, one of two variables where it has such, as an agent first sees them."""
    sizes = [ProgramSize.TINY if kind in kinds_of(ProgramSize.TINY) else None, None]
    texts: list[str] = []
    for i, size in enumerate(sizes):
        task = generate_task(TaskSettings(kinds={kind: 1.0}, size=size), Split.TEST, 2, i, SOLVER)
        conflict = SOLVER.conflict(task.fault.faulty)
        texts.append(initial_observation(task.problem, conflict, ObservationStyle.COMPACT))
    return f"rendering {RENDERING_VERSION}\n\n" + "\n\n".join(texts) + "\n"


@pytest.mark.parametrize("kind", list(FaultKind))
def test_as_in_the_file(kind: FaultKind) -> None:
    assert rendering(kind) == (FOLDER / f"{kind.value}.txt").read_text(encoding="utf8")


if __name__ == "__main__":
    for one in FaultKind:
        (FOLDER / f"{one.value}.txt").write_text(rendering(one), encoding="utf8")
