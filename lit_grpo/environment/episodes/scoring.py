"""Judging a finished episode against the original program: recovered? faithful? diagnosed? how far away?

Called by repair_environment.py, baselines.py and adapters/; metrics/ averages what is scored here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lit_grpo.environment.episodes.faithful import is_faithful
from lit_grpo.environment.episodes.record import EpisodeRecord, StopReason, TurnResult
from lit_grpo.environment.episodes.turn_solver import TurnSolver
from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.programs.comparison import differing_elements
from lit_grpo.environment.programs.program import Element
from lit_grpo.environment.solver.solver import ConflictPart, Solver, SolverFailure, SolverStatus


@dataclass(frozen=True, slots=True)
class DiagnosisScore:
    """Stated elements against the injected fault's, micro within one episode."""

    precision: float
    recall: float
    f1: float
    exact: bool


@dataclass(frozen=True, slots=True)
class RepairScore:
    """The verified, unshaped score of one episode."""

    recovered: bool
    """The program became OPTIMAL."""
    faithful: bool
    """Recovered, and the program is provably the original one (faithful.py)."""
    turns: int
    """Turns taken; if recovered, the turn that recovered. At least 1."""
    min_turns: int
    """The number of edits that make the original again."""
    diagnosis: DiagnosisScore
    iis_rows: int
    """Rows of the first conflict; 0 if it is unknown or holds bounds alone."""
    iis_hits: int
    """How many of them were acted on."""
    edits: int
    """Elements in which the final program differs from the original."""
    drift: float | None
    """|objective - original| / max(1, |original|); None unless recovered."""
    malformed_turns: int
    inconclusive_turns: int
    verified: bool
    """False only when the solver's infrastructure failed: such an episode is excluded from advantages."""

    @property
    def success(self) -> bool:
        """What was asked for: a faithful repair."""
        return self.faithful


def score_episode(record: EpisodeRecord, fault: GroundTruth, solver: Solver) -> RepairScore:
    """The score of a finished episode. The solver is asked only about what differs from the original."""
    recovered = record.stop_reason is StopReason.RECOVERED
    verified = record.stop_reason is not StopReason.SOLVER_FAILED
    try:
        faithful = recovered and is_faithful(record.final_program, fault.original, TurnSolver(solver))
    except SolverFailure:
        faithful, verified = False, False
    rows = _conflict_rows(record)
    return RepairScore(
        recovered=recovered,
        faithful=faithful,
        turns=max(1, len(record.turns)),
        min_turns=len(fault.inverse),
        diagnosis=diagnosis_score(record.diagnosis, fault.faulty_elements),
        iis_rows=len(rows),
        iis_hits=len(rows & set(record.touched)),
        edits=len(differing_elements(record.final_program, fault.original)),
        drift=_drift(record.final_objective, fault.original_objective) if recovered else None,
        malformed_turns=sum(turn.result is TurnResult.MALFORMED for turn in record.turns),
        inconclusive_turns=sum(
            turn.result is TurnResult.APPLIED and turn.status is SolverStatus.INCONCLUSIVE for turn in record.turns
        ),
        verified=verified,
    )


def diagnosis_score(stated: Iterable[Element], truth: Iterable[Element]) -> DiagnosisScore:
    """Precision, recall and F1 of the stated set of elements; all 0 if none of them is true.

    One right of two stated, one true: precision 1/2, recall 1, F1 = 2 * 1/2 / (1/2 + 1) = 2/3.
    """
    stated_set, true_set = set(stated), set(truth)
    num_right = len(stated_set & true_set)
    if num_right == 0:
        return DiagnosisScore(0.0, 0.0, 0.0, False)
    precision, recall = num_right / len(stated_set), num_right / len(true_set)
    f1 = 2 * num_right / (len(stated_set) + len(true_set))
    return DiagnosisScore(precision, recall, f1, stated_set == true_set)


def _conflict_rows(record: EpisodeRecord) -> set[Element]:
    members = record.first_conflict.members if record.first_conflict is not None else ()
    return {member.element for member in members if member.part is ConflictPart.ROW}


def _drift(objective: float | None, original: float) -> float:
    assert objective is not None, "a recovered program has an objective"
    return abs(objective - original) / max(1.0, abs(original))
