"""Guess a number: an environment of another kind than repairing programs, and the tasks for it.

Run: `lit-grpo fit --config examples/guess_the_number.yaml`, where `examples` lies (docs/your_environment.md).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from lit_grpo.data.stream import TaskStream
from lit_grpo.data.task import TaskIndex
from lit_grpo.environment.protocol import Cutoff, Environment, Verdict
from lit_grpo.seeds import Seed

HIGHEST, MAX_TURNS = 9, 4
Guesses = tuple[int | None, ...]  # of one attempt; None where a turn held no number


@dataclass(frozen=True, slots=True)
class Secret:
    """What is to be found."""

    id: str
    number: int


class Guessing:
    """One attempt: the first number in a turn is the guess."""

    instructions, observation = "", f"number from 0 to {HIGHEST} ?"

    def __init__(self, number: int) -> None:
        self.stop_reason: str | None = None
        self._number, self._guesses = number, list[int | None]()

    def answer(self, text: str, truncated: bool) -> str:
        """Say which way to go."""
        found = re.search(r"\d+", text)
        guess = int(found[0]) if found else None
        self._guesses.append(guess)
        if guess == self._number or len(self._guesses) == MAX_TURNS:
            self.stop_reason = "found" if guess == self._number else "turn_limit"
        return "?" if guess is None else ">" if guess < self._number else "<"

    def end(self, reason: Cutoff) -> None:
        """The context is full."""
        self.stop_reason = reason

    def record(self) -> Guesses:
        """What was guessed."""
        return tuple(self._guesses)


class GuessTheNumber(Environment[Secret, Guesses, Verdict]):
    """Worth 1 if the number was found, else half of the share of turns whose guess was possible and new."""

    max_turns = MAX_TURNS

    def begin(self, problem: Secret, num_attempts: int) -> Sequence[Guessing]:
        """Attempts that know nothing of each other."""
        return [Guessing(problem.number) for _ in range(num_attempts)]

    def score(self, problem: Secret, record: Guesses) -> Verdict:
        """By what was guessed."""
        new = {guess for guess in record if guess is not None and guess <= HIGHEST}
        found = problem.number in new
        return Verdict(found, 1.0 if found else 0.5 * len(new) / MAX_TURNS)


class Secrets(TaskStream):
    """Endless numbers, each a function of where it stands."""

    def __init__(self, num_tasks: int = 16, batches_per_epoch: int = 40, seed: int | None = None) -> None:
        super().__init__()
        self.num_tasks, self.batches_per_epoch, self._seed = num_tasks, batches_per_epoch, Seed(seed)

    def task(self, index: TaskIndex) -> Secret:
        """The number at a place of the stream."""
        return Secret(str(index), Random(f"{self._seed.value}/{index}").randint(0, HIGHEST))
