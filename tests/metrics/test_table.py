"""A task's key: stable, 64 bits, exact in float64 halves."""

from collections.abc import Callable

from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.table import score_table, task_key


def test_1_a_key_survives_the_round_trip_through_two_float64_columns(scored_task: Callable[..., ScoredTask]) -> None:
    ids = [f"task-{index}" for index in range(500)]
    keys = score_table([scored_task(task_id) for task_id in ids]).keys.tolist()
    assert keys == sorted(task_key(task_id) for task_id in ids)
    assert min(keys) < 0 < max(keys)
    assert max(abs(key) for key in keys) > 2**60


def test_2_a_key_is_the_same_in_every_process() -> None:
    # blake2b, 8 bytes, of b"abc": independent of Python's hash seed.
    assert task_key("abc") == int.from_bytes(bytes.fromhex("d8bb14d833d59559"), "big", signed=True)


def test_3_strata_number_kind_and_difficulty(four_tasks: list[ScoredTask]) -> None:
    table = score_table(four_tasks)
    # A/easy 0 twice, A/hard 2, D/easy 3 * 3 = 9.
    assert sorted(table.strata.tolist()) == [0, 0, 2, 9]
