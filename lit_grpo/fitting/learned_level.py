"""Warns of a policy that reads specifications at another level than it has learned.

Called by the callbacks that let a policy play, and by experiments/final_evaluation.py.
"""

from __future__ import annotations

from pathlib import Path

from lightning_utilities.core.rank_zero import rank_zero_warn

from lit_grpo.data.contract import other_level
from lit_grpo.environment.episodes.record import EpisodeSettings


def warn_of_other_level(checkpoint: Path, rules: EpisodeSettings) -> None:
    """Say in one line, and once, that the policy's level is another; nothing where no specification is shown.

    Raises:
        ContractError: What the policy's folder says of its level is none.
    """
    warning = other_level(checkpoint, rules.specification) if rules.show_specification else None
    if warning is not None:
        rank_zero_warn(warning)
