"""The policy of ranked candidates: the likeliest slip in the conflict, corrected. The strongest one without a model.

Listed in baselines.py. It sees what a model sees: the program, its conflict, the text, and the solver's verdicts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from lit_grpo.environment.episodes.actions import Move, Submit
from lit_grpo.environment.policies.view import BaselineView
from lit_grpo.environment.programs.edits import AgentEdit, SetBounds, SetCoefficient, SetRhs, edited_element
from lit_grpo.environment.programs.scale import WritableNumbers, writable_numbers
from lit_grpo.environment.repairs.candidates import Effort
from lit_grpo.environment.repairs.steps import next_edits

FIRST = Effort(max_candidates=1)


@dataclass(frozen=True, slots=True)
class RankedCandidates:
    """The best edit among those that make the program feasible or, for less, resolve the conflict at hand."""

    name: str = "ranked-candidates"
    reads_text: bool = True
    """Whether it ranks by the text too: without it, nothing says which number was meant."""

    def act(self, view: BaselineView, rng: random.Random) -> Move:
        """Gives up where no slip is likely."""
        if view.conflict is None:
            return Move(Submit())
        text = view.specification if self.reads_text else None
        writable = writable_numbers(view.program)
        found = next_edits(
            view.program, view.conflict, view.solver, text, FIRST, admits=lambda edit: _fits(edit, writable)
        )
        if not found:
            return Move(Submit())
        edit = found[0].edits[0]
        return Move(edit, (edited_element(edit),))


def _fits(edit: AgentEdit, writable: WritableNumbers) -> bool:
    """Whether an episode takes the edit's numbers."""
    match edit:
        case SetRhs(value=value) | SetCoefficient(value=value):
            return writable.admit(value)
        case SetBounds(lower=lower, upper=upper):
            return all(writable.admit(bound) for bound in (lower, upper) if abs(bound) != float("inf"))
        case _:
            return True
