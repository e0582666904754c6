"""What attempts are worth that nobody made: recovered in one turn, faithful or not. For tests of whole studies."""

from __future__ import annotations

from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore


def score(faithful: bool) -> RepairScore:
    share = float(faithful)
    diagnosis = DiagnosisScore(share, share, share, faithful)
    return RepairScore(
        recovered=True,
        faithful=faithful,
        turns=1,
        min_turns=1,
        diagnosis=diagnosis,
        iis_rows=2,
        iis_hits=1,
        edits=0,
        drift=0.0,
        malformed_turns=0,
        inconclusive_turns=0,
        verified=True,
    )
