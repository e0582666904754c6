"""Judging a finished episode against the original program: recovered? faithful? diagnosed? how far away?

Called by rollout/collect.py and baselines.py; metrics/ averages what is scored here.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    """Recovered, and the program is the original one (1e-6 relative, rows up to positive scaling)."""
    steps: int
    """Turns taken; if recovered, the turn that recovered. At least 1."""
    min_steps: int
    """The certificate's smallest number of steps."""
    diagnosis: DiagnosisScore
    iis_recall: float
    """DA_iis of the literature: share of the first conflict's rows that were acted on."""
    edits: int
    """Elements in which the final program differs from the original."""
    drift: float | None
    """|objective - original| / max(1, |original|); None unless recovered."""
    malformed_turns: int
    inconclusive_turns: int
    verified: bool
    """False only when the solver's infrastructure failed: such an episode is excluded from advantages."""
