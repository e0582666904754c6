"""Lightning's check before training counts as a validation if it plays all held-out tasks, and not otherwise.

What a guard measures from and a curriculum goes by would else be the first batches alone, which are of other kinds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
from small_runs import EPISODE, CoinRewards, make_data, make_module, make_trainer

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.data.held_out import HeldOutSettings


@pytest.mark.parametrize(("num_batches", "counts"), [(1, False), (2, True), (-1, True)])
def test_a_part_is_no_validation(num_batches: int, counts: bool, tiny_checkpoint: Path, tmp_path: Path) -> None:
    evaluation = RepairEvaluation(max_completion_tokens=4, episode=EPISODE)
    trainer = make_trainer(
        tmp_path,
        limit_val_batches=1.0,
        val_check_interval=1,
        num_sanity_val_steps=num_batches,
        callbacks=[CoinRewards(), evaluation],
    )
    held_out = HeldOutSettings(num_validation_tasks=4, num_test_tasks=0, batch_size=2)
    trainer.fit(make_module("grpo", tiny_checkpoint), make_data("grpo", tiny_checkpoint, 1, held_out=held_out))
    written = sorted(path.name for path in (tmp_path / "validation").iterdir())
    assert written == [*(["batch_000000"] if counts else []), "batch_000001"]
    assert evaluation.start
