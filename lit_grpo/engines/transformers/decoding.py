"""Decodes rows of cached conversations together until each has ended its turn.

Called by transformers/engine.py. A row that has ended leaves the stream of tokens at once, and its keys and values
leave the attention as soon as half of the rows have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lit_grpo.engines.sampling import RowSampling, draw
from lit_grpo.engines.transformers.kv_cache import Conversations, Place, PromptBlock
from lit_grpo.engines.transformers.shared_prefix import Extension, Prefill


@dataclass(frozen=True, slots=True)
class RowLimits:
    """How each of R rows is sampled, and when it ends."""

    sampling: RowSampling
    uniforms: Tensor
    """[R, most tokens of any row] in [0, 1)."""
    max_tokens: Tensor
    """[R] int64."""
    stop_ids: Tensor
    """[R, most stop tokens of any row] int64, padded with -1."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The tokens drawn, in the order of the rows."""

    tokens: Tensor
    """[R, most tokens of any row] int64, the first ``lengths`` of each row valid."""
    logprobs: Tensor
    """The float32 log-probs, in the shape of ``tokens``."""
    lengths: Tensor
    """[R] int64."""
    places: Sequence[Place]
    """Where the keys and values of each row are now, of all its tokens but the last."""


Steps = Callable[[Tensor, Tensor], Tensor]
"""Runs one token of some rows and keeps it in the cache: takes tokens [N] and ascending rows [N], returns logits
[N, vocabulary]."""

Stepping = Callable[[nn.Module, Conversations], Steps]
"""Prepares the steps of a model on some conversations."""


def prefill(model: nn.Module, prompts: Sequence[tuple[int, ...]], prompt_of: Tensor) -> tuple[Conversations, Tensor]:
    """Run each prompt once.

    Args:
        model: A causal language model with shared-prefix attention.
        prompts: Token ids, at least one each.
        prompt_of: [R] int64, the index of each new conversation's prompt.

    Returns:
        The new conversations and the logits [R, vocabulary] of their next token.
    """
    attention = Prefill([len(prompt) for prompt in prompts], prompt_of.device)
    stream = torch.tensor([token for prompt in prompts for token in prompt], device=prompt_of.device)
    last_tokens = attention.lengths.cumsum(0) - 1
    logits = run(model, stream, attention, last_tokens)
    return Conversations.begin(PromptBlock(attention.layers, attention.lengths), prompt_of), logits[prompt_of]


def extend(model: nn.Module, conversations: Conversations, tokens: Tensor, counts: Tensor) -> Tensor:
    """Run new tokens, ``counts`` [R] of them per row, which stand row by row in ``tokens`` [N].

    Returns:
        Logits [rows with tokens, vocabulary] after the last token of each row.
    """
    attention = Extension(conversations, counts)
    logits = run(model, tokens, attention, attention.last_tokens)
    attention.finish()
    return logits


def plain_steps(model: nn.Module, conversations: Conversations) -> Steps:
    """Steps that run the tokens that there are, and no others."""

    def step(tokens: Tensor, rows: Tensor) -> Tensor:
        counts = torch.zeros_like(conversations.own_lengths).index_fill_(0, rows, 1)
        return extend(model, conversations, tokens, counts)

    return step


def decode(
    model: nn.Module, conversations: Conversations, logits: Tensor, limits: RowLimits, stepping: Stepping
) -> Samples:
    """Sample every row to its end.

    Args:
        model: A causal language model with shared-prefix attention.
        conversations: R rows, with room for the tokens.
        logits: [R, vocabulary] of the first token.
        limits: The limits of the rows.
        stepping: How the model runs on one token of some rows.
    """
    shape = limits.uniforms.shape
    tokens = torch.zeros(shape, dtype=torch.int64, device=logits.device)
    logprobs = torch.zeros(shape, dtype=torch.float32, device=logits.device)
    lengths = torch.zeros_like(limits.max_tokens)
    # Rows that are still sampled: their place among all rows, and in the conversations.
    rows = at = torch.arange(shape[0], device=logits.device)
    places = [Place(conversations, row) for row in range(shape[0])]
    steps: Steps | None = None
    for position in range(shape[1]):
        drawn, drawn_logprobs = draw(logits, limits.sampling.select(rows), limits.uniforms[rows, position])
        tokens[rows, position], logprobs[rows, position] = drawn, drawn_logprobs
        lengths[rows] = position + 1
        stopped = (drawn[:, None] == limits.stop_ids[rows]).any(dim=1)
        goes_on = ~stopped & (position + 1 < limits.max_tokens[rows])
        rows, at, drawn = rows[goes_on], at[goes_on], drawn[goes_on]
        if not len(rows):
            break
        if 2 * len(rows) <= len(conversations.prompt_of):
            conversations = conversations.select(at)
            at = torch.arange(len(rows), device=logits.device)
            for place, row in enumerate(rows.tolist()):
                places[row] = Place(conversations, place)
            steps = None
        steps = steps or stepping(model, conversations)
        logits = steps(drawn, at)
    return Samples(tokens, logprobs, lengths, places)


def run(model: nn.Module, stream: Tensor, attention: Prefill | Extension, last_tokens: Tensor) -> Tensor:
    """Logits [len(last_tokens), vocabulary] of one pass over the stream's tokens [N]."""
    output = model(
        input_ids=stream[None],
        position_ids=attention.position_ids[None],
        attention=attention,
        use_cache=False,
        logits_to_keep=last_tokens,
    )
    return output.logits[0]
