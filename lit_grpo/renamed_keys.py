"""Keys of earlier configs, with the key that each of them is now. Read by config_errors.py alone.

A key stands below the class that took it or, on the right, below its place on the command line where that is always the
same (``rollout.group_size``; in a config ``model.objective`` is below ``model.init_args``).
"""

from __future__ import annotations

from collections.abc import Mapping

_AXES = (
    "loss",
    "reduction",
    "advantage",
    "kl_beta",
    "kl_estimator",
    "kl_place",
    "mismatch",
    "entropy_bonus",
    "entropy_top_share",
    "overlong_filter",
    "overlong_penalty",
    "max_sequence_tokens",
    "updates_per_rollout",
)
_ROLLOUT = ("group_size", "max_turns", "sampling", "reward", "dynamic_sampling", "max_staleness")

RENAMED: Mapping[str, str] = {
    "EpisodeSettings.max_steps": "episode.max_turns",
    "RolloutSettings.max_steps": "rollout.max_turns",
    "RolloutSettings.leave_out_long_prompts": "RepairEvaluation.settings.leave_out_long_prompts",
    **{f"RolloutCallback.{name}": f"rollout.{name}" for name in _ROLLOUT},
    "RolloutCallback.max_steps": "rollout.max_turns",
    "RepairEvaluation.temperature": "RepairEvaluation.settings.temperature",
    "RepairEvaluation.seed": "RepairEvaluation.settings.seed",
    "RepairWriter.num_attempts": "RepairWriter.settings.num_attempts",
    "RepairWriter.seed": "RepairWriter.settings.seed",
    **{f"GRPOModule.{axis}": f"model.objective.{axis}" for axis in _AXES},
    "MismatchMonitorSettings.mask": "model.objective.mismatch_mask",
    "HybridReward.per_step": "HybridReward.per_turn",
}
