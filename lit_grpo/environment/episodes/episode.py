"""One episode: an agent works on an infeasible program for a few turns and sees the real result of each.

Made by repair_environment.py for rollout/play.py, and by policies/baselines.py and adapters/. Single use: `step(text)`
until `stop_reason` is set.
"""

from __future__ import annotations

import math
from dataclasses import replace

from lit_grpo.environment.episodes.actions import (
    Action,
    GetConflict,
    Inspect,
    Malformed,
    Move,
    Relax,
    Restore,
    Submit,
    parse,
)
from lit_grpo.environment.episodes.inspection import inspect
from lit_grpo.environment.episodes.observation import (
    ObservationStyle,
    edit_observation,
    instructions,
    refusal_observation,
)
from lit_grpo.environment.episodes.record import EpisodeRecord, EpisodeSettings, StopReason, TurnOutcome, TurnResult
from lit_grpo.environment.episodes.room import TokenCount
from lit_grpo.environment.episodes.turn_solver import TurnSolver
from lit_grpo.environment.episodes.view import View, view_of
from lit_grpo.environment.programs.edits import AgentEdit, SetBounds, SetCoefficient, SetRhs, apply, edited_element
from lit_grpo.environment.programs.program import Element, LinearProgram, ProgramError, Sense
from lit_grpo.environment.programs.rationals import exact
from lit_grpo.environment.programs.scale import writable_numbers
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.protocol import Cutoff
from lit_grpo.environment.solver.solver import Conflict, Solver, SolverFailure, SolverStatus


class RepairEpisode:
    """One attempt at a problem.

    ``episode.step('{"diagnosis":["row:ra"],"action":"set_rhs","row":"ra","value":194}').result is TurnResult.APPLIED``
    """

    def __init__(
        self, problem: RepairProblem, solver: Solver, settings: EpisodeSettings, count_tokens: TokenCount | None = None
    ) -> None:
        """Find the first conflict, and choose what is shown.

        Args:
            problem: What is to be repaired.
            solver: Answers every turn.
            settings: Rules and rendering.
            count_tokens: How many tokens of the policy a text has; needed where ``settings.view_tokens`` is set.

        Raises:
            ValueError: The program is not infeasible, or nobody counts the tokens of a view that has so many.
            SolverFailure: The solver breaks.
        """
        conflict = _require_infeasible(problem.program, solver)
        self._begin(problem, TurnSolver(solver), settings, conflict, view_of(problem, conflict, settings, count_tokens))

    def another(self) -> RepairEpisode:
        """A fresh episode on the same problem: the first conflict and observation are computed once per group."""
        other = RepairEpisode.__new__(RepairEpisode)
        other._begin(self._problem, self._solver, self._settings, self.first_conflict, self._view)
        return other

    @classmethod
    def unplayable(
        cls, problem: RepairProblem, solver: Solver, settings: EpisodeSettings, count_tokens: TokenCount | None = None
    ) -> RepairEpisode:
        """An episode that is over before its first turn, because the solver broke on the program as it was given."""
        episode = cls.__new__(cls)
        episode._begin(problem, TurnSolver(solver), settings, None, view_of(problem, None, settings, count_tokens))
        episode.stop_reason = StopReason.SOLVER_FAILED
        return episode

    def _begin(
        self,
        problem: RepairProblem,
        solver: Solver,
        settings: EpisodeSettings,
        first_conflict: Conflict | None,
        view: View,
    ) -> None:
        self._problem, self._solver, self._settings, self._view = problem, solver, settings, view
        self.first_conflict = first_conflict
        self.stop_reason: StopReason | None = None
        self.observation = view.first
        self._diagnosis: tuple[Element, ...] = ()
        self._touched: dict[Element, None] = {}
        self._turns: list[TurnOutcome] = []
        self._num_malformed = 0
        self._writable = writable_numbers(problem.program)
        self._first_names = view.names(first_conflict) if settings.show_conflict else ""
        self._go_back()

    def _go_back(self) -> None:
        self.program = self._problem.program
        self._status, self._objective = SolverStatus.INFEASIBLE, None
        self._conflict: Conflict | None = self.first_conflict
        self._conflict_is_current = True

    # --- what a caller does ---------------------------------------------------------------------------------------

    @property
    def instructions(self) -> str:
        """The system message: the task and the grammar; empty in the compact style."""
        return instructions(self._settings.style)

    def answer(self, text: str, truncated: bool) -> str:
        """Take one turn as `step` does, and say what is shown after it."""
        return self.step(text, truncated).observation

    def step(self, text: str, truncated: bool = False) -> TurnOutcome:
        """Take one turn. ``truncated``: the text was cut off at a token limit, so it is malformed whatever it holds."""
        assert self.stop_reason is None, f"the episode is over: {self.stop_reason}"
        move = Malformed("expected a turn that ends, got one cut off at the token limit") if truncated else parse(text)
        try:
            outcome = self._take(move)
        except SolverFailure as failure:
            self.stop_reason = StopReason.SOLVER_FAILED
            observation = refusal_observation("solver failed", str(failure), self._settings.style)
            outcome = TurnOutcome(move, TurnResult.FAILED, self._status, None, observation)
        outcome = replace(outcome, observation=self._view.bounded(outcome.observation))
        self._turns.append(outcome)
        self._stop_if_due(outcome)
        return outcome

    def current_conflict(self) -> Conflict | None:
        """The canonical conflict of the program as it stands, found when first asked for.

        None if the program is not infeasible, or a limit stopped the search.
        """
        if self._status is not SolverStatus.INFEASIBLE:
            return None
        if not self._conflict_is_current:
            self._conflict, self._conflict_is_current = self._solver.conflict(self.program), True
        return self._conflict

    def end(self, reason: StopReason | Cutoff) -> None:
        """End the episode from outside: for a token limit, or because the agent has submitted in another way."""
        assert self.stop_reason is None, f"the episode is over: {self.stop_reason}"
        self.stop_reason = StopReason(reason.value)

    def record(self) -> EpisodeRecord:
        """What happened, once the episode is over."""
        assert self.stop_reason is not None, "the episode is not over"
        return EpisodeRecord(
            turns=tuple(self._turns),
            final_program=self.program,
            final_status=self._status,
            final_objective=self._objective,
            stop_reason=self.stop_reason,
            first_conflict=self.first_conflict,
            diagnosis=self._diagnosis,
            touched=tuple(self._touched),
        )

    # --- one turn -------------------------------------------------------------------------------------------------

    def _take(self, move: Move | Malformed) -> TurnOutcome:
        if isinstance(move, Malformed):
            return self._unchanged(move, TurnResult.MALFORMED, self._refusal("malformed", move.reason))
        if move.diagnosis is not None:
            self._diagnosis = move.diagnosis
        for value in _numbers(move.action):
            if not self._writable.admit(value):
                return self._refused_number(move, value)
        return self._act(move)

    def _act(self, move: Move) -> TurnOutcome:
        match move.action:
            case GetConflict() if not self._settings.show_conflict:
                reason = "the conflict is not shown in these episodes"
                return self._unchanged(move, TurnResult.REFUSED, self._refusal("conflict hidden", reason))
            case GetConflict():
                return self._unchanged(move, TurnResult.INFORMED, self._conflict_text())
            case Inspect(name=name):
                return self._inspect(move, name)
            case Restore():
                self._go_back()
                return self._unchanged(move, TurnResult.INFORMED, self._restored_text())
            case Submit():
                return self._unchanged(move, TurnResult.INFORMED, "submitted")
            case Relax(row=row, amount=amount):
                return self._relax(move, row, amount)
            case _ as edit:
                return self._edit(move, edit)

    def _relax(self, move: Move, name: str, amount: float) -> TurnOutcome:
        row = next((c for c in self.program.constraints if c.name == name), None)
        if row is None:
            return self._unknown_name(move, f"expected the name of a row, got {name!r}")
        if amount < 0 and row.sense is not Sense.EQUAL:
            reason = f"expected a non-negative amount for an inequality, got {amount:g}"
            return self._unchanged(move, TurnResult.REFUSED, self._refusal("refused number", reason))
        # In decimals, as they are written: 0.4 less 0.1 is 0.3, and no hair more.
        change = -exact(amount) if row.sense is Sense.GREATER_EQUAL else exact(amount)
        value = float(exact(row.rhs) + change)
        return (
            self._edit(move, SetRhs(name, value)) if self._writable.admit(value) else self._refused_number(move, value)
        )

    def _edit(self, move: Move, edit: AgentEdit) -> TurnOutcome:
        try:
            edited = apply(self.program, edit)
        except ProgramError as error:
            return self._unknown_name(move, str(error))
        try:
            solution = self._solver.solve(edited)
        except ProgramError as error:  # a number that only the edit and the program together make too large
            return self._unchanged(move, TurnResult.REFUSED, self._refusal("refused number", str(error)))
        self._touched[edited_element(edit)] = None
        was_undone = self._settings.undo_if_still_infeasible and solution.status is not SolverStatus.OPTIMAL
        if not was_undone:
            self.program, self._status, self._objective = edited, solution.status, solution.objective
            self._conflict_is_current = False
        shown = self._conflict_after_edit(solution.status, was_undone)
        observation = edit_observation(solution.status, solution.objective, was_undone, shown, self._settings.style)
        return TurnOutcome(move, TurnResult.APPLIED, solution.status, solution.objective, observation)

    def _inspect(self, move: Move, name: str) -> TurnOutcome:
        answers = inspect(self.program, name, self._solver)
        if not answers:
            return self._unknown_name(move, f"expected the name of a row or a variable, got {name!r}")
        return self._unchanged(move, TurnResult.INFORMED, self._view.inspection(answers, self.program))

    def _unchanged(self, move: Move | Malformed, result: TurnResult, observation: str) -> TurnOutcome:
        return TurnOutcome(move, result, self._status, self._objective, observation)

    def _refused_number(self, move: Move, value: float) -> TurnOutcome:
        smallest, largest = self._writable.smallest, self._writable.largest
        reason = (
            f"expected 0 or a number from {smallest:g} to {largest:g} in magnitude, which is this program's scale, "
            f"got {value:g}"
        )
        return self._unchanged(move, TurnResult.REFUSED, self._refusal("refused number", reason))

    def _unknown_name(self, move: Move, reason: str) -> TurnOutcome:
        return self._unchanged(move, TurnResult.REFUSED, self._refusal("unknown name", reason))

    # --- what is shown --------------------------------------------------------------------------------------------

    def _refusal(self, word: str, reason: str) -> str:
        return refusal_observation(word, reason, self._settings.style)

    def _conflict_text(self) -> str:
        if self._status is not SolverStatus.INFEASIBLE:
            return edit_observation(self._status, self._objective, False, "", self._settings.style)
        return self._view.conflict(self.program, self.current_conflict())

    def _conflict_after_edit(self, status: SolverStatus, was_undone: bool) -> str:
        is_last = len(self._turns) + 1 >= self._settings.max_turns
        if status is not SolverStatus.INFEASIBLE or is_last or not self._settings.show_conflict:
            return ""
        return self._first_names if was_undone else self._conflict_text()

    def _restored_text(self) -> str:
        word = "restored" if self._settings.style is ObservationStyle.COMPACT else "Restored."
        return f"{word} {self._first_names}".rstrip()

    # --- when it ends ---------------------------------------------------------------------------------------------

    def _stop_if_due(self, outcome: TurnOutcome) -> None:
        self._num_malformed += outcome.result is TurnResult.MALFORMED
        if self.stop_reason is not None:
            return
        if outcome.result is TurnResult.APPLIED and outcome.status is SolverStatus.OPTIMAL:
            self.stop_reason = StopReason.RECOVERED
        elif isinstance(outcome.move, Move) and isinstance(outcome.move.action, Submit):
            self.stop_reason = StopReason.SUBMITTED
        elif self._num_malformed >= self._settings.max_malformed:
            self.stop_reason = StopReason.MALFORMED_LIMIT
        elif len(self._turns) >= self._settings.max_turns:
            self.stop_reason = StopReason.TURN_LIMIT


def _require_infeasible(program: LinearProgram, solver: Solver) -> Conflict | None:
    """The canonical conflict (None if a limit stopped the search); ValueError for any other status."""
    conflict = solver.conflict(program)
    if conflict is None and (status := solver.solve(program).status) is not SolverStatus.INFEASIBLE:
        raise ValueError(f"expected an infeasible program to repair, got one the solver calls {status}; nothing to do")
    return None if conflict is None else conflict.if_irreducible


def _numbers(action: Action) -> tuple[float, ...]:
    """The numbers that an action writes."""
    match action:
        case SetRhs(value=value) | SetCoefficient(value=value) | Relax(amount=value):
            return (value,)
        case SetBounds(lower=lower, upper=upper):
            return tuple(bound for bound in (lower, upper) if not math.isinf(bound))
        case _:
            return ()
