"""Whether the rules of an episode leave room for a task's repair: the one place where kinds of fault meet the rules.

Called wherever a graded task is played or demonstrated (rollout/collect.py, baselines.py, data/demonstrations.py), and
before a fit or a test begins, with the kinds that it will draw (callbacks/). A rule under which a task cannot be
repaired would fill its cell with zeros that say nothing about the policy.
"""

from __future__ import annotations

from collections.abc import Iterable

from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.fault_kinds import SEVERAL_FAULTS, FaultKind
from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.faults.injection import FaultyProgram


def require_repairable(fault: GroundTruth, rules: EpisodeSettings) -> None:
    """ValueError if the repair takes more turns than there are, or each of its edits is taken back.

    Published problems come with repairs of any length, which nobody certified: one that is too long is what the
    oracle's row shows, and no reason to play the others by other rules.
    """
    num_edits = len(fault.inverse)
    if isinstance(fault, FaultyProgram) and num_edits > rules.max_turns:
        raise ValueError(
            f"expected max_turns to be at least {num_edits} for a fault of kind {fault.kind} that takes as many "
            f"edits, got {rules.max_turns}; raise it"
        )
    if num_edits > 1 and rules.undo_if_still_infeasible:
        raise ValueError(_taken_back(fault.kind))


def require_kinds_repairable(kinds: Iterable[FaultKind], rules: EpisodeSettings) -> None:
    """ValueError if one of the kinds always takes several edits, and each of them would be taken back."""
    several = sorted(SEVERAL_FAULTS.intersection(kinds))
    if several and rules.undo_if_still_infeasible:
        raise ValueError(_taken_back(", ".join(several)))


def _taken_back(kinds: str) -> str:
    return (
        f"expected edits that persist for faults of kind {kinds}, each of which takes several, got "
        "undo_if_still_infeasible, which takes the first of them back; set it to false, or leave these kinds out"
    )
