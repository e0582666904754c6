"""`RepairMetrics` and its kin give on two ranks with uneven shards what they give on one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch.distributed as dist
from torch.multiprocessing.spawn import start_processes

from lit_grpo.environment.faults.injection import Difficulty, FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.policy import PolicyMetrics
from lit_grpo.metrics.records import ScoredTask, gather_scored_tasks
from lit_grpo.metrics.repair import RepairMetrics

SETTINGS = BootstrapSettings(num_replicates=200)


@pytest.fixture
def seven_tasks(scored_task: Callable[..., ScoredTask]) -> list[ScoredTask]:
    kinds, difficulties = list(FaultKind), list(Difficulty)
    return [
        scored_task(
            f"t{i}", kinds[i % 2], difficulties[i % 3], recovered=i % 3 > 0, faithful=i % 2 > 0, turns=1 + i % 5
        )
        for i in range(7)
    ]


def evaluate(scored_tasks: list[ScoredTask]) -> RepairMetrics:
    metrics = RepairMetrics(SETTINGS)
    metrics.update(scored_tasks)
    return metrics


def test_1_updating_in_parts_with_repeats_equals_updating_at_once(seven_tasks: list[ScoredTask]) -> None:
    metrics = RepairMetrics(SETTINGS)
    metrics.update(seven_tasks[:4])
    metrics.update([])
    metrics.update(seven_tasks[2:])
    assert metrics.compute() == evaluate(seven_tasks).compute()
    assert metrics.compute().overall.num_tasks == 7


def test_2_reset_forgets(seven_tasks: list[ScoredTask]) -> None:
    metrics = evaluate(seven_tasks)
    metrics.reset()
    metrics.update(seven_tasks[:2])
    assert metrics.compute() == evaluate(seven_tasks[:2]).compute()


def test_3_half_precision_modules_do_not_round_the_scores(seven_tasks: list[ScoredTask]) -> None:
    metrics = RepairMetrics(SETTINGS).bfloat16()
    metrics.update(seven_tasks)
    assert metrics.compute() == evaluate(seven_tasks).compute()


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_4_without_a_task_there_is_no_result() -> None:
    with pytest.raises(ValueError, match="at least one scored task"):
        RepairMetrics(SETTINGS).compute()


def run_rank(rank: int, folder: str, scored_tasks: list[ScoredTask]) -> None:
    """One of two ranks: uneven shards with a repeated task, a rank without any task, weighted means."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    shard = scored_tasks[0:4] if rank == 0 else [*scored_tasks[4:], scored_tasks[0]]
    uneven = evaluate(shard).compute()
    one_empty = RepairMetrics(SETTINGS)
    if rank == 0:
        one_empty.update(scored_tasks)
    means = PolicyMetrics(["clipped", "entropy"])
    means.update({"clipped": 0.1 if rank == 0 else 0.4}, count=300 if rank == 0 else 100)
    if rank == 1:
        means.update({"entropy": 2.0}, count=10)
    gathered = gather_scored_tasks(shard)
    # As text: a repr of frozen dataclasses and floats is exact, and reading it executes nothing.
    written = {
        "uneven": repr(uneven),
        "num_tasks": uneven.overall.num_tasks,
        "one_empty": repr(one_empty.compute()),
        "means": means.compute(),
        "gathered": repr(gathered),
    }
    Path(folder, f"{rank}.json").write_text(json.dumps(written), encoding="utf-8")
    dist.destroy_process_group()


def test_5_two_ranks_with_uneven_shards_give_what_one_gives(tmp_path: Path, seven_tasks: list[ScoredTask]) -> None:
    start_processes(run_rank, args=(str(tmp_path), seven_tasks), nprocs=2, start_method="spawn")
    expected = evaluate(seven_tasks).compute()
    for rank in range(2):
        found = json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8"))
        assert found["uneven"] == repr(expected)
        assert found["num_tasks"] == 7
        assert found["one_empty"] == repr(expected)
        # (0.1 * 300 + 0.4 * 100) / 400 = 0.175
        assert found["means"] == pytest.approx({"clipped": 0.175, "entropy": 2.0}, rel=1e-9)
        assert found["gathered"] == repr(tuple(seven_tasks))
