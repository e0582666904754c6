"""Talks: several turns of an attempt that is no task, to practise what turns look like and what is answered to them.

Called by proofreading.py. The episode is a real one; the solver behind it is not, and calls everything infeasible, with
a conflict drawn at random, or of slips that are left and a few elements more. So nothing is learned of what makes a
program infeasible; in the second case, that what is wrong is among what is marked.

Talks go in one of two ways. In the first all that is wrong is named in each turn, in one order. In the second, *one by
one*, some slips have been mended before anything is learned, by turns that named one each; what is learned is to find
the next, to name it first, and to go back after a wrong edit alone. A policy that knows only the first way takes back a
right edit of which it named no more than that.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.demonstrations import spoken
from lit_grpo.environment.episodes.actions import Move, Restore
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.observation import instructions
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.difference import elements_of, random_edit, true_edits
from lit_grpo.environment.programs.edits import AgentEdit, edited_element
from lit_grpo.environment.programs.program import Element, LinearProgram
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.solver import (
    Conflict,
    ConflictMember,
    ConflictPart,
    Solution,
    SolverStatus,
    Violation,
)
from lit_grpo.packing import Continuation

SHARE_WITH_WRONG_TRY = 0.5


class Talk:
    """What may be said about one text.

    Attributes:
        prompt: The tokens of the first observation, its marks of a conflict drawn at random.
    """

    def __init__(
        self,
        problem: RepairProblem,
        settings: EpisodeSettings,
        conversation: ConversationFormat,
        rng: random.Random,
        true: LinearProgram | None = None,
        in_order: Sequence[AgentEdit] | None = None,
    ) -> None:
        """Choose the marks.

        Args:
            problem: The text with its slips.
            settings: Rules and rendering.
            conversation: Turns text into the model's tokens.
            rng: Draws the conflicts.
            true: The program without slips, if conflicts are to hold what differs from it.
            in_order: What sets everything right, if slips are to come into conflicts one by one: the first that is left
                is in each, and each other one in half of them.
        """
        self._problem, self._conversation = problem, conversation
        # What was wrong stays so until the last turn, whatever the rules of a real attempt are.
        self._settings = replace(settings, undo_if_still_infeasible=False)
        self._episode = RepairEpisode(
            problem, _DecoySolver(rng, true, in_order), self._settings, conversation.num_tokens
        )
        self.prompt = conversation.prompt_ids(instructions(settings.style), self._episode.observation)

    def continuation(self, mending: Sequence[AgentEdit], rng: random.Random) -> Continuation:
        """Turn by turn what is wrong is set right, half of the time after a wrong edit and `restore`.

        Each move names all that is wrong. The wrong edit is not learned.

        Args:
            mending: What sets everything right, in the order of its turns; what there is no room for is left out.
            rng: Draws the wrong edit.
        """
        moves = self._wrong_try(rng)
        diagnosis = tuple(dict.fromkeys(edited_element(edit) for edit in mending))
        moves += [(Move(edit, diagnosis), True) for edit in mending]
        return self._spoken(moves)

    def one_by_one(self, mending: Sequence[AgentEdit], rng: random.Random) -> Continuation:
        """Turn by turn what is wrong is set right, the first slips by turns that name one each and are not learned.

        Half of the time a wrong edit and `restore` come before.

        Args:
            mending: As for ``continuation``.
            rng: Draws how many are mended by turns that are not learned, and the wrong edit.
        """
        elements, moves = [edited_element(edit) for edit in mending], self._wrong_try(rng)
        said = mending[: self._settings.max_turns - len(moves)]
        known = rng.randrange(len(said))
        moves += [(Move(edit, (edited_element(edit),)), False) for edit in said[:known]]
        moves += [(Move.in_repair(edit, elements), True) for edit in said[known:]]
        return self._spoken(moves)

    def _wrong_try(self, rng: random.Random) -> list[tuple[Move, bool]]:
        """Half of the time an edit that is not learned, and going back, which is; otherwise, or without room, none."""
        if self._settings.max_turns <= 2 or rng.random() >= SHARE_WITH_WRONG_TRY:
            return []
        program = self._problem.program
        wrong = random_edit(rng.choice(elements_of(program)), program, rng)
        return [(Move(wrong, (edited_element(wrong),)), False), (Move(Restore()), True)]

    def _spoken(self, moves: Sequence[tuple[Move, bool]]) -> Continuation:
        continuation = spoken(moves[: self._settings.max_turns], self._episode.another(), self._conversation)
        assert continuation is not None, "nothing ends such an episode but its turns"
        return continuation


class _DecoySolver:
    """A ``Solver`` that finds everything infeasible, because of a few elements that it draws."""

    def __init__(self, rng: random.Random, true: LinearProgram | None, in_order: Sequence[AgentEdit] | None) -> None:
        self._rng, self._true, self._in_order = rng, true, in_order

    def solve(self, program: LinearProgram) -> Solution:
        """INFEASIBLE."""
        del program
        return Solution(SolverStatus.INFEASIBLE)

    def conflict(self, program: LinearProgram) -> Conflict:
        """Two to four elements, which become familiar without saying anything; or slips, and up to four others."""
        elements = elements_of(program)
        if self._true is None:
            chosen = self._sample(elements, self._rng.randint(2, 4))
        else:
            slips = self._some([element for element in elements if true_edits(element, program, self._true)])
            others = [element for element in elements if element not in slips]
            chosen = [*slips, *self._sample(others, self._rng.randint(0 if len(slips) > 1 else 1, 4))]
        parts = {"row": (ConflictPart.ROW,), "var": (ConflictPart.LOWER, ConflictPart.UPPER)}
        pairs = [element.split(":", 1) for element in elements if element in chosen]
        return Conflict(tuple(ConflictMember(self._rng.choice(parts[kind]), name) for kind, name in pairs))

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        """Nothing is known."""
        del program
        return None

    def _some(self, slips: list[Element]) -> list[Element]:
        """All of them; where they come one by one, the first and half of the others."""
        if self._in_order is None or not slips:
            return slips
        order = [edited_element(edit) for edit in self._in_order]
        first, *others = sorted(slips, key=lambda slip: order.index(slip) if slip in order else len(order))
        return [first, *(slip for slip in others if self._rng.random() < 0.5)]

    def _sample(self, elements: Sequence[Element], count: int) -> list[Element]:
        return self._rng.sample(elements, min(count, len(elements)))
