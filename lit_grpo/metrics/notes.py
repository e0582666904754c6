"""Notes on an evaluation, where its figures alone would mislead.

Called by results.py, which puts it into `results.json`, and by whatever shows the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

from lit_grpo.data.public_benchmark import PUBLIC_DOMAIN
from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.metrics.records import ScoredTask


def notes_of(scored_tasks: Sequence[ScoredTask]) -> tuple[str, ...]:
    """The notes, a few sentences each; none where the figures speak for themselves."""
    num_long = sum(scored.stop_reason is StopReason.PROMPT_LIMIT for scored in scored_tasks)
    num_public = sum(scored.domain == PUBLIC_DOMAIN for scored in scored_tasks)
    notes: list[str] = []
    if num_long:
        notes.append(
            f"{num_long} of {len(scored_tasks)} tasks were not played: their prompt does not fit the policy's context "
            "together with a turn. They count as not repaired (too_long)."
        )
    if num_public:
        notes.append(
            f"{num_public} of {len(scored_tasks)} tasks are published problems without a specification text, so what "
            "the program should say can mostly not be inferred. RR counts any program that became optimal, also by "
            "deleting what was meant; FR is judged against an original that is reconstructed from the published "
            "repair; DA_iis is against a conflict that was found anew. Kinds and difficulties are as published, "
            "without a certificate. Read every figure beside the trivial policies."
        )
    return tuple(notes)
