"""TINY tasks stay what they are: 1 a seed yields the same tasks, byte for byte, whatever becomes of larger programs.

Studies were measured on them. A change that alters this test's digests alters what they mean.
"""

import hashlib

import pytest

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.solver.highs import HighsSolver

DIGESTS = {
    Split.TRAIN: "f22e206fdbef2abe5d7d819ecfd0868673bb12ff5031eaa8550d5de7dbf99677",
    Split.VALIDATION: "72b7ad925c1edd1241c2ca64bd60aaf9954b17bf6289eeba8c7f3c9a1ba573e7",
    Split.TEST: "80960f06cf7b55c91854f0fc1b7e42d2d97c58826053938e2601fe0ab163f06c",
}
"""Of the ids of the first 120 tasks, all kinds and difficulties, seed 7; an id is a digest of all that a task holds."""


@pytest.mark.parametrize("split", Split)
def test_1_a_seed_yields_the_same_tiny_tasks(split: Split) -> None:
    solver, settings = HighsSolver(), TaskSettings(size=ProgramSize.TINY)
    ids = "".join(generate_task(settings, split, 7, index, solver).id for index in range(120))
    assert hashlib.sha256(ids.encode()).hexdigest() == DIGESTS[split]
