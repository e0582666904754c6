"""Says what is left out of the training because it is too long. Used by the modules and by fitting/too_long_log.py."""

from __future__ import annotations

from lightning_utilities.core.rank_zero import rank_zero_warn


class TooLong:
    """Counts what was left out, and warns when the 1st, 2nd, 4th, 8th ... time has come."""

    def __init__(self) -> None:
        self.num_sequences = 0
        """Sequences that were left out in this process so far; of all ranks where these told each other."""
        self._num_times = 0

    def found(self, num_sequences: int, why: str) -> None:
        """Note sequences that are left out of a batch; ``why`` also says what to change."""
        if not num_sequences:
            return
        self.num_sequences, self._num_times = self.num_sequences + num_sequences, self._num_times + 1
        if self._num_times.bit_count() == 1:
            rank_zero_warn(
                f"{num_sequences} sequence(s) left out as too long, {self.num_sequences} so far in {self._num_times} "
                f"batch(es): {why}"
            )
