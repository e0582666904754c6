"""The business text that says what a program should be: sentences, each about one element where that is known.

Written by the domains, shown by observation.py. A user's own text is one sentence about nothing in particular.
"""

from __future__ import annotations

from dataclasses import dataclass

from lit_grpo.environment.programs.program import Element, LinearProgram


@dataclass(frozen=True, slots=True)
class Sentence:
    """One requirement in business language, with its numbers."""

    text: str
    about: Element | None = None
    """The element it determines; None for the objective, an introduction, or a distractor."""


@dataclass(frozen=True, slots=True)
class Specification:
    """Everything the true program must agree with. Together the sentences determine it completely."""

    sentences: tuple[Sentence, ...]

    @property
    def text(self) -> str:
        """The sentences as one paragraph."""
        return " ".join(sentence.text for sentence in self.sentences)


@dataclass(frozen=True, slots=True)
class RepairProblem:
    """What an agent is given: a program the solver calls infeasible, and what it was meant to say."""

    program: LinearProgram
    specification: Specification | None = None
    """None: a program without a text, of which a faithful repair cannot be known."""
