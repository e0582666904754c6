"""Steps of decoding as CUDA graphs: the thousands of small kernels of one step are launched at once.

Made by transformers/engine.py for a model on a GPU, where launching them one by one takes longer than running them.
A graph has fixed shapes, so every row of a batch runs in every step; a row that has ended runs on a token whose keys
and values are written behind those that it holds, and are not kept.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lit_grpo.engines.transformers.decoding import Steps, run
from lit_grpo.engines.transformers.kv_cache import Conversations
from lit_grpo.engines.transformers.shared_prefix import Extension


class FixedRows:
    """A pass over one token of every row, the same operations on the same memory each time."""

    def __init__(self, model: nn.Module, conversations: Conversations) -> None:
        """Lay out a token in each row; each needs a column to spare in the cache."""
        self._model, self._conversations = model, conversations
        self._tokens, self._kept = (torch.zeros_like(conversations.own_lengths) for _ in range(2))
        self._attention = Extension(conversations, torch.ones_like(conversations.own_lengths))

    def set(self, tokens: Tensor, rows: Tensor) -> None:
        """Set the tokens that the next pass runs on, and the rows in which they are kept."""
        self._tokens[rows] = tokens
        self._kept.zero_().index_fill_(0, rows, 1)

    def run(self) -> Tensor:
        """The logits [R, vocabulary]; nothing waits for the device, and no shape depends on a value."""
        self._attention.lay_out_columns()
        logits = run(self._model, self._tokens, self._attention, self._attention.last_tokens)
        self._conversations.own_lengths += self._kept
        return logits


def fixed_steps(model: nn.Module, conversations: Conversations) -> Steps:
    """``FixedRows`` without a graph, on any device."""
    fixed = FixedRows(model, conversations)

    def step(tokens: Tensor, rows: Tensor) -> Tensor:
        fixed.set(tokens, rows)
        return fixed.run()[rows]

    return step


class GraphedStepping:
    """Captures a graph per batch, all in one pool of memory."""

    def __init__(self, device: torch.device) -> None:
        """Make the pool, with a graph that keeps it: without one the memory would be taken anew for each capture.

        Args:
            device: That of the model, which need not be the current one: a stream of another device captures nothing.
        """
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()
        self._keeper, _ = self._captured(lambda: torch.zeros(1, device=device))

    def __call__(self, model: nn.Module, conversations: Conversations) -> Steps:
        """Capture a pass over the rows of ``conversations``."""
        fixed = FixedRows(model, conversations)
        graph, logits = self._captured(fixed.run)

        def step(tokens: Tensor, rows: Tensor) -> Tensor:
            fixed.set(tokens, rows)
            with torch.cuda.device(self._device):
                graph.replay()
            return logits[rows]

        return step

    def _captured(self, work: Callable[[], Tensor]) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        """``work`` as a graph, and the tensor it returns; a run before, by itself, lets libraries set themselves up.

        ``torch.cuda.graph`` is not used: it returns all cached memory to the device each time.
        """
        with torch.cuda.device(self._device):
            graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                work()
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
                try:
                    result = work()
                finally:
                    graph.capture_end()
            torch.cuda.current_stream().wait_stream(stream)
        return graph, result
