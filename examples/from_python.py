"""SFT, then GRPO on what it learned, in plain Python: modules, data, callbacks and Lightning's own Trainer.

Run: `python examples/from_python.py --output runs/from_python`. The weights are those of the command line's two fits;
docs/from_python.md says which line is which key.
"""

import argparse
from pathlib import Path

import lightning.pytorch as pl

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.callbacks.export import ExportPolicy
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.data.datamodule import DemonstrationDataModule, TaskDataModule
from lit_grpo.data.demonstrations import DemonstrationSettings
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.data.task import TaskSettings
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.objective import Objective
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.sft import SFTModule
from lit_grpo.rollout.settings import RolloutSettings
from lit_grpo.run_arguments import run_arguments

parser = argparse.ArgumentParser(description="SFT and GRPO on tiny programs, without the command line.")
parser.add_argument("--output", type=Path, default=Path("runs/from_python"), help="run folder (%(default)s)")
parser.add_argument("--batches", type=int, default=20, help="of either fit (%(default)s)")
arguments = parser.parse_args()

tasks = TaskSettings(size=ProgramSize.TINY)
held_out = HeldOutSettings(num_validation_tasks=16, num_test_tasks=16)
episode = EpisodeSettings(undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)
every_fit = {"max_epochs": 1, "accelerator": "cpu", "log_every_n_steps": 1}

# Supervised fine-tuning on the oracle's demonstrations.
pl.seed_everything(0, workers=True)
base = PolicySettings(Path("checkpoints/tiny-base"))
module = SFTModule(base, OptimizerSettings(learning_rate=3e-3, matrix_learning_rate=4e-3, final_fraction=0.1))
demonstrations = DemonstrationDataModule(
    tasks,
    held_out,
    DemonstrationSettings(),
    num_demonstrations=80,
    batches_per_epoch=arguments.batches,
    tokenizer=base.checkpoint,
    episode=episode,
)
folder = arguments.output / "sft"
callbacks = [RepairEvaluation(episode=episode), ExportPolicy()]
trainer = pl.Trainer(**every_fit, **run_arguments(folder, callbacks))
trainer.fit(module, demonstrations)

# GRPO on fresh tasks, from there.
pl.seed_everything(0, workers=True)
learned = PolicySettings(folder / "policy")
sampling = SamplingSettings(temperature=1.3, max_completion_tokens=32)
grpo = GRPOModule(
    learned,
    OptimizerSettings(learning_rate=5e-4, matrix_learning_rate=1e-3, final_fraction=0.1),
    Objective(ClippedLoss()),
)
callbacks = [
    RolloutCallback(RolloutSettings(group_size=4, sampling=sampling), episode),
    RepairEvaluation(max_completion_tokens=32, episode=episode),
    ExportPolicy(),
]
trainer = pl.Trainer(**every_fit, **run_arguments(arguments.output / "grpo", callbacks))
trainer.fit(grpo, TaskDataModule(tasks, held_out, num_tasks=8, batches_per_epoch=arguments.batches))
trainer.test(grpo, datamodule=TaskDataModule(tasks, held_out))
