"""The processes of a training, as far as an engine has to know them: who writes, and how they tell each other.

Handed over with the policy (policy_view.py); a process by itself is ``Ranks()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lit_grpo.engines.engine import EngineFailure


def _no_others(text: str) -> Sequence[str]:
    """The text alone: there is nobody else to be heard."""
    return (text,)


@dataclass(frozen=True, slots=True)
class Ranks:
    """All processes that train one policy. They gather its weights together, and each samples with its own engine."""

    writes: bool = True
    """Whether this process writes what all processes of its machine read; one on each machine does."""
    num_on_machine: int = 1
    """Processes of the training on this machine, which share its devices."""
    texts_of_all: Callable[[str], Sequence[str]] = _no_others
    """Gathers a text from each process, in their order, for all. Every process must call it."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """Fail on all processes if one fails: one that stopped alone would leave the others waiting for it.

        Every process must enter it. Where the body fails, its own error is raised.

        Raises:
            EngineFailure: The body failed on another process; the message says on which, and with what error.
        """
        try:
            yield
        except Exception as error:
            self.texts_of_all(f"{type(error).__name__}: {error}")
            raise
        for rank, text in enumerate(self.texts_of_all("")):
            if text:
                raise EngineFailure(f"rank {rank} failed: {text}")
