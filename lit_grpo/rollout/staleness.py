"""How old the tokens are that a step trains on, by the version of the weights that drew each. Called by the callback.

Age is counted in batches, not in optimizer steps: 0 if the weights at the start of the batch drew the token, 1 if those
at the start of the batch before did.
"""

from __future__ import annotations

from collections.abc import Sequence

from lit_grpo.engines.engine import NO_WEIGHTS
from lit_grpo.rollout.attempts import AnyGroup


class Staleness:
    """Knows at which batch each version of the weights was the policy's, as far as it still matters.

    Args:
        most: Age that no token may exceed.
    """

    def __init__(self, most: int) -> None:
        """Know of no version yet."""
        self.most = most
        self._last_batch: dict[int, int] = {}

    def begin(self, batch: int, policy_version: int) -> None:
        """Note the policy's version as a batch begins: perhaps that of the batch before, if no step was taken."""
        self._last_batch[policy_version] = batch
        self._last_batch = {version: last for version, last in self._last_batch.items() if last >= batch - self.most}

    def of(self, groups: Sequence[AnyGroup], batch: int) -> tuple[float, int]:
        """Mean age of the groups' sampled tokens in batches, 0 where there are none, and how many tokens there are.

        Raises:
            RuntimeError: A token is older than it may be, or of a version that never was the policy's.
        """
        counts: dict[int, int] = {}
        for turn in (turn for group in groups for attempt in group.attempts for turn in attempt.turns):
            counts[turn.policy_version] = counts.get(turn.policy_version, 0) + len(turn.completion_ids)
        counts.pop(NO_WEIGHTS, None)
        strange = sorted(set(counts) - set(self._last_batch))
        if strange:
            known = ", ".join(f"{version} (batch {last})" for version, last in self._last_batch.items())
            raise RuntimeError(
                f"batch {batch}: expected tokens of weights at most {self.most} batches old, versions {known}, got "
                f"tokens of version {strange[0]}"
            )
        num_tokens = sum(counts.values())
        total = sum(count * (batch - self._last_batch[version]) for version, count in counts.items())
        return total / max(num_tokens, 1), num_tokens
