"""What `lit-grpo predict` has to say of a program: explain's candidates and the policy's repairs, ranked, and how sure.

Called by callbacks/repair_writer.py and calibration.py. Without the original program nobody can know whether a repair
is faithful: what is claimed is that it is feasible again, and how likely the policy thinks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lit_grpo.data.user_program import MOST_SHOWN
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.solver import Solver, SolverStatus
from lit_grpo.explain.explanation import Explanation
from lit_grpo.repair.attempts import AskedPolicy, Attempts, play_attempts
from lit_grpo.repair.likelihood import log_likelihoods
from lit_grpo.repair.ranking import Repair, gather, listed, ranked


@dataclass(frozen=True, slots=True)
class RepairSettings:
    """How often a program is tried, and how sure the policy has to be."""

    num_attempts: int = 8
    """The first is greedy, the others are sampled."""
    seed: int | None = None
    """The seed of the sampled attempts; None: the run's."""
    min_confidence: float = 0.9
    """The least confidence in the likeliest repair (confidence.py) with which it is recommended; 0: always. Without a
    specification nothing else is enough: what was meant cannot be known then."""

    def __post_init__(self) -> None:
        if self.num_attempts < 1 or not 0 <= self.min_confidence <= 1:
            raise ValueError(
                "expected settings.num_attempts >= 1 and settings.min_confidence from 0 to 1, got "
                f"{self.num_attempts} and {self.min_confidence}"
            )


@dataclass(frozen=True, slots=True)
class Prediction:
    """Everything that is said of a program."""

    explanation: Explanation
    repairs: tuple[Repair, ...] = ()
    """The likeliest first, if the policy is sure; else explain's candidates in their order, then the others."""
    attempts: Attempts | None = None
    """None where the policy was not asked."""
    num_refused: int = 0
    """Feasible attempts whose repair was not allowed."""
    is_sure: bool = False
    """Whether the first repair, the policy's likeliest, reaches the confidence that is asked for."""
    min_confidence: float = 0.0
    unasked: str | None = None
    """Why the policy has no say; None where it has, or there is nothing to repair."""

    @property
    def is_infeasible(self) -> bool:
        """Whether there is something to repair."""
        return self.explanation.solution.status is SolverStatus.INFEASIBLE

    @property
    def recommended(self) -> Repair | None:
        """The first repair, if the policy is sure enough of it."""
        return self.repairs[0] if self.is_sure else None

    @property
    def exit_status(self) -> int:
        """0: nothing has to be repaired, or a repair is recommended; 1: neither."""
        is_fine = self.explanation.solution.status in (SolverStatus.OPTIMAL, SolverStatus.UNBOUNDED)
        return 0 if is_fine or self.recommended is not None else 1

    @property
    def shown(self) -> tuple[Repair, ...]:
        """The repairs that are shown."""
        return self.repairs[:MOST_SHOWN]


def predict(
    explanation: Explanation,
    policy: AskedPolicy,
    rules: EpisodeSettings,
    solver: Solver,
    settings: RepairSettings,
    seed: int,
) -> Prediction:
    """Let the policy play, and rank what it found together with explain's candidates.

    Args:
        explanation: Of an infeasible program, with a conflict.
        policy: Plays, and says how likely a repair is.
        rules: The rules of the attempts.
        solver: Answers every turn, and verifies.
        settings: Attempts and confidence.
        seed: The seed of the sampled attempts.
    """
    problem = RepairProblem(explanation.program, explanation.specification)
    environment = RepairEnvironment(rules, solver).read_by(policy.conversation.num_tokens)
    attempts = play_attempts(problem, policy, environment, settings.num_attempts, seed)
    gathered = gather(explanation.program, explanation.candidates, attempts.found, explanation.protections, solver)
    unasked = None
    logprobs: Sequence[float | None] = [None] * len(gathered.repairs)
    if attempts.fits:
        logprobs = log_likelihoods([repair.edits for repair in gathered.repairs], problem, policy, environment)
    else:
        unasked = (
            f"the program does not fit the policy's context of {policy.engine.max_context_tokens} tokens beside a turn "
            f"of {policy.max_completion_tokens}; --episode.view_tokens shows it a part that does"
        )
    repairs = ranked(gathered.repairs, logprobs)
    is_sure = bool(repairs) and _is_sure(repairs[0], settings.min_confidence, problem.specification is not None)
    return Prediction(
        explanation,
        repairs if is_sure else listed(repairs),
        attempts,
        gathered.num_refused,
        is_sure,
        settings.min_confidence,
        unasked,
    )


def _is_sure(likeliest: Repair, min_confidence: float, has_text: bool) -> bool:
    if likeliest.confidence is None:
        return False
    return min_confidence == 0 or (has_text and likeliest.confidence >= min_confidence)


def unasked_prediction(explanation: Explanation) -> Prediction:
    """What is said where the policy is not needed, or nothing can be put to it."""
    if explanation.solution.status is not SolverStatus.INFEASIBLE:
        return Prediction(explanation)
    return Prediction(explanation, unasked="without a conflict there is nothing to show to it")


def needs_policy(explanation: Explanation) -> bool:
    """Whether there is something to put to a policy: a conflict."""
    return bool(explanation.conflicts)
