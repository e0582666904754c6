"""Guess a number: an environment of another kind than repairing programs, and the tasks for it.

Run: `lit-grpo fit --config examples/guess_the_number.yaml`, in the folder that holds `examples`
(docs/your_environment.md).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lit_grpo.data.stream import TaskStream
from lit_grpo.data.task import TaskIndex
from lit_grpo.environment.protocol import Cutoff, Environment, Verdict

HIGHEST = 99
Guesses = tuple[int | None, ...]
"""Of one attempt; None where a turn held no number."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What is to be found."""

    id: str
    number: int


class Guessing:
    """One attempt: the first number in a turn is the guess."""

    instructions = ""
    observation = f"number from 0 to {HIGHEST} ?"

    def __init__(self, number: int, max_turns: int) -> None:
        self.stop_reason: str | None = None
        self._number, self._max_turns = number, max_turns
        self._guesses: list[int | None] = []

    def answer(self, text: str, truncated: bool) -> str:
        """Say which way to go."""
        found = re.search(r"\d+", text)
        guess = int(found[0]) if found else None
        self._guesses.append(guess)
        if guess == self._number or len(self._guesses) == self._max_turns:
            self.stop_reason = "found" if guess == self._number else "turn_limit"
        return "unknown" if guess is None else "at least" if guess < self._number else "at most"

    def end(self, reason: Cutoff) -> None:
        """The context is full."""
        self.stop_reason = reason

    def record(self) -> Guesses:
        """What was guessed."""
        return tuple(self._guesses)


class GuessTheNumber(Environment[Secret, Guesses, Verdict]):
    """Numbers are to be found by asking. Worth 1 if found, else up to a half by how near the last guess was."""

    max_turns = 3

    def begin(self, problem: Secret, num_attempts: int) -> Sequence[Guessing]:
        """Attempts that know nothing of each other."""
        return [Guessing(problem.number, self.max_turns) for _ in range(num_attempts)]

    def score(self, problem: Secret, record: Guesses) -> Verdict:
        """By the last guess; no number is worth nothing."""
        last = record[-1] if record and record[-1] is not None else 10 * HIGHEST
        distance = abs(last - problem.number)
        return Verdict(success=distance == 0, value=1.0 if distance == 0 else 0.5 * max(0.0, 1 - distance / HIGHEST))


class Secrets(TaskStream):
    """Endless numbers, each a function of where it stands."""

    def __init__(self, num_tasks: int = 16, batches_per_epoch: int = 60, seed: int = 0) -> None:
        super().__init__()
        self.num_tasks, self.batches_per_epoch, self._seed = num_tasks, batches_per_epoch, seed

    def task(self, index: TaskIndex) -> Secret:
        """The number at a place of the stream."""
        return Secret(str(index), Random(f"{self._seed}/{index}").randint(0, HIGHEST))
