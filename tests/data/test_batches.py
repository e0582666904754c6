"""The stream of training batches.

1. The ranks' shares make up the batch, in order, each item once; a batch that cannot be shared is refused.
2. Every pass over the demonstrations holds each once, and passes differ.
3. An iteration begins after what was consumed, whatever was fetched ahead, and yields the rest and no more.
"""

from collections.abc import Iterator

import pytest
from torch.utils.data import Dataset

from lit_grpo.data.batches import BatchStream, consecutive, require_divisible, shuffled


class Numbers(Dataset[int]):
    def __getitem__(self, index: int) -> int:
        return index


def test_shares_make_up_the_batch() -> None:
    assert [list(consecutive(3, 6, rank, 2)) for rank in (0, 1)] == [[18, 19, 20], [21, 22, 23]]
    require_divisible("num_tasks", 6, 2)
    for size in (0, 5):
        with pytest.raises(ValueError, match=r"expected data\.num_tasks to be a positive multiple of the 2 ranks"):
            require_divisible("num_tasks", size, 2)


def test_passes_hold_each_item_once() -> None:
    passes = [shuffled(range(5 * number, 5 * number + 5), 5, seed=1) for number in range(3)]
    assert all(sorted(one) == [0, 1, 2, 3, 4] for one in passes)
    assert len({tuple(one) for one in passes}) > 1
    # A batch across the border of two passes is the same as the positions one by one.
    assert shuffled(range(3, 8), 5, seed=1) == passes[0][3:] + passes[1][:3]


@pytest.mark.parametrize("num_workers", [0, 1])
def test_an_iteration_begins_after_what_was_consumed(num_workers: int) -> None:
    consumed = 0
    stream = BatchStream(
        Numbers(), lambda batch: consecutive(batch, 2, 0, 1), tuple, 4, lambda: consumed, num_workers=num_workers
    )
    assert len(stream) == 4
    assert list(stream) == [(0, 1), (2, 3), (4, 5), (6, 7)]
    consumed = 3
    batches: Iterator[tuple[int, ...]] = iter(stream)
    assert next(batches) == (6, 7)
    assert stream.state_dict() == {"consumed_batches": 3}
    stream.load_state_dict({"consumed_batches": 3})
    with pytest.raises(RuntimeError, match="expected to resume after 2 batches"):
        stream.load_state_dict({"consumed_batches": 2})
