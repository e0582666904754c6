"""Checks whether a completion can belong to its request: a server's words are checked before they are believed.

Called by engine.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from lit_grpo.engines.engine import FinishReason
from lit_grpo.engines.vllm.messages import Completed, Generate

HIGHEST_LOGPROB = 1e-5
"""Rounding may bring the log-prob of a certain token above 0."""


def problems(completed: Completed, asked: Generate, vocabulary: int) -> Iterator[str]:
    """Yield each fault of a completion; none for one that may be believed.

    Args:
        completed: The completion that a server sent.
        asked: The request.
        vocabulary: The number that token ids are below.
    """
    tokens, most = completed.token_ids, asked.sampling.max_completion_tokens
    stops = {*asked.stop_ids, *asked.sampling.stop}
    if completed.policy_version != asked.policy_version:
        yield f"policy version {completed.policy_version} instead of {asked.policy_version}"
    if not 1 <= len(tokens) <= most:
        yield f"{len(tokens)} tokens instead of 1 to {most}"
    elif len(completed.logprobs) != len(tokens):
        yield f"{len(completed.logprobs)} log-probs of {len(tokens)} tokens"
    elif not all(0 <= token < vocabulary for token in tokens):
        yield f"a token id outside the vocabulary of {vocabulary}"
    elif max(completed.logprobs) > HIGHEST_LOGPROB:
        yield f"a log-prob of {max(completed.logprobs)}"
    elif stops.intersection(tokens[:-1]):
        yield "tokens after a stop token"
    elif (completed.finish_reason is FinishReason.STOP) != (tokens[-1] in stops):
        yield f"finish reason {completed.finish_reason} after token {tokens[-1]}"
    elif completed.finish_reason is FinishReason.LENGTH and len(tokens) < most:
        yield f"cut off after {len(tokens)} of {most} tokens"
