"""Small fits of the real thing for the tests of this folder: a random Qwen3 of 2 layers x 32 on tiny tasks.

Also a program: `two_processes` starts it as ``python small_runs.py RUN CHECKPOINT FOLDER``.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor
from typing_extensions import override

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.callbacks.export import ExportPolicy
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.checkpointing import AtomicCheckpointIO, AtomicModelParallelStrategy, RandomStates
from lit_grpo.data.datamodule import DemonstrationDataModule, ReplaySettings, TaskDataModule
from lit_grpo.data.demonstrations import DemonstrationSettings
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.data.task import Task, TaskSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episode_record import EpisodeSettings
from lit_grpo.environment.observation import ObservationStyle
from lit_grpo.environment.solver_workers import SolverSettings
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import KLEstimator, KLPlace
from lit_grpo.modules.base import PolicyModule, PolicySettings
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.policy import LoraSettings
from lit_grpo.modules.sft import SFTModule
from lit_grpo.rewards.components import RewardBreakdown
from lit_grpo.rollout.engine import SamplingSettings
from lit_grpo.rollout.episodes import Episode, EpisodeGroup
from lit_grpo.rollout.weights import full_weights

TASKS = TaskSettings(size=ProgramSize.TINY)
EPISODE = EpisodeSettings(max_steps=2, undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)
NO_HELD_OUT = HeldOutSettings(num_validation_tasks=0, num_test_tasks=0)
ADAMW = OptimizerSettings(learning_rate=1e-3, final_fraction=0.1, decay_batches=6, warmup_batches=1)
MUON = OptimizerSettings(learning_rate=1e-3, matrix_learning_rate=2e-3, final_fraction=0.1, decay_batches=6)

Kind = Literal["sft", "grpo"]
StrategyName = Literal["one", "ddp", "fsdp2", "fsdp2_alone"]


class CoinRewards(RolloutCallback):
    """The real rollout, with another reward: the share of sampled tokens whose id is even.

    A random policy never repairs a program, so its true rewards are all 0 and teach nothing.
    """

    def __init__(self, group_size: int = 4, solver: SolverSettings | None = None) -> None:
        sampling = SamplingSettings(temperature=1.0, max_completion_tokens=6)
        super().__init__(sampling, group_size=group_size, episode=EPISODE, solver=solver)
        self.mean_rewards: list[float] = []

    @override
    def collect(self, tasks: Sequence[Task], module: GRPOModule, step: int) -> list[EpisodeGroup]:
        groups = super().collect(tasks, module, step)
        paid = [replace(group, episodes=tuple(_with_coin_reward(e) for e in group.episodes)) for group in groups]
        rewards = [episode.reward.total for group in paid for episode in group.episodes]
        self.mean_rewards.append(sum(rewards) / len(rewards))
        return paid


def _with_coin_reward(episode: Episode) -> Episode:
    tokens = [token for turn in episode.turns for token in turn.completion_ids]
    share = sum(token % 2 == 0 for token in tokens) / len(tokens)
    return replace(episode, reward=RewardBreakdown(share, 0.0, 0.0, total=share, unshaped=share))


def make_module(
    kind: Kind, checkpoint: Path, optimizer: OptimizerSettings = ADAMW, lora: LoraSettings | None = None, **grpo: Any
) -> PolicyModule:
    policy = PolicySettings(checkpoint, lora=lora)
    if kind == "sft":
        return SFTModule(policy, optimizer, microbatch_tokens=512)
    return GRPOModule(policy, optimizer, ClippedLoss(), microbatch_tokens=512, **grpo)


def make_data(kind: Kind, checkpoint: Path, batches: int, replayed: int = 2) -> pl.LightningDataModule:
    demonstrations = DemonstrationSettings()
    if kind == "sft":
        return DemonstrationDataModule(
            TASKS,
            NO_HELD_OUT,
            demonstrations,
            num_demonstrations=10,
            batch_size=4,
            batches_per_epoch=batches,
            tokenizer=checkpoint,
            episode=EPISODE,
        )
    replay = ReplaySettings(demonstrations, 5, replayed, tokenizer=checkpoint, episode=EPISODE)
    return TaskDataModule(TASKS, NO_HELD_OUT, num_tasks=4, batches_per_epoch=batches, replay=replay)


def make_trainer(folder: Path, strategy: StrategyName = "one", **arguments: Any) -> pl.Trainer:
    strategies: dict[StrategyName, tuple[str | Strategy, int]] = {
        "one": ("auto", 1),
        "ddp": (DDPStrategy(process_group_backend="gloo"), 2),
        "fsdp2": (AtomicModelParallelStrategy(2), 2),
        "fsdp2_alone": (AtomicModelParallelStrategy(1), 1),
    }
    chosen, devices = strategies[strategy]
    arguments = {"accelerator": "cpu", "max_epochs": 1, "callbacks": []} | arguments
    arguments["callbacks"] = [*arguments["callbacks"], RandomStates()]
    return pl.Trainer(
        devices=devices,
        strategy=chosen,
        default_root_dir=folder,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        limit_val_batches=0,
        plugins=[AtomicCheckpointIO()],
        **({"enable_checkpointing": False} | arguments),
    )


def weights_of(module: PolicyModule) -> dict[str, Tensor]:
    return {name: tensor.cpu().clone() for name, tensor in full_weights(module.policy.model, trainable_only=False)}


SHORT_FITS: dict[str, tuple[Kind, dict[str, Any]]] = {
    "sft": ("sft", {}),
    "sft_muon": ("sft", {"optimizer": MUON}),
    "grpo": ("grpo", {"demonstration_loss_weight": 0.3}),
    "grpo_batch": (
        "grpo",
        {
            "demonstration_loss_weight": 0.3,
            "advantage": AdvantageEstimator.BATCH,
            "reduction": Reduction.PROMPT_MEAN,
            "entropy_bonus": 0.01,
            "entropy_top_share": 0.5,
            "kl_beta": 0.01,
            "kl_estimator": KLEstimator.K1,
            "kl_place": KLPlace.REWARD,
        },
    ),
}
"""SFT with either optimizer, GRPO with replay, and with every axis that looks at all ranks."""


def short_fits(strategy: StrategyName, checkpoint: Path, folder: Path, **trainer_arguments: Any) -> None:
    """Three batches of each of `SHORT_FITS`; the whole weights of each in ``folder``."""
    for name, (kind, arguments) in SHORT_FITS.items():
        pl.seed_everything(0)
        module = make_module(kind, checkpoint, **arguments)
        callbacks = [CoinRewards()] if kind == "grpo" else []
        trainer = make_trainer(folder, strategy, callbacks=callbacks, **trainer_arguments)
        trainer.fit(module, make_data(kind, checkpoint, batches=3))
        weights = weights_of(module)
        if trainer.is_global_zero:
            torch.save({"weights": weights, "steps": trainer.global_step}, folder / f"{name}.pt")


def sharded_resume(lora: LoraSettings | None, checkpoint: Path, folder: Path) -> None:
    """FSDP2: four batches of SFT with a sharded checkpoint after each; then again from the second one.

    Leaves in ``folder``: ``whole.pt`` and ``resumed.pt``, the weights of each; ``whole/policy``, exported from the
    checkpoint called best, which is that of the last batch; and the checkpoints.
    """
    for name, resume in (("whole", None), ("resumed", folder / "whole" / "batch_step=2.ckpt")):
        pl.seed_everything(0 if resume is None else 99)
        module = make_module("sft", checkpoint, MUON, lora)
        saving = ModelCheckpoint(folder / name, "batch_{step}", every_n_train_steps=1, save_top_k=-1)
        best = ModelCheckpoint(folder / name, "best_{step}", monitor="step", mode="max", every_n_train_steps=1)
        callbacks = [saving, best, ExportPolicy("best")]
        trainer = make_trainer(folder / name, "fsdp2", enable_checkpointing=True, callbacks=callbacks)
        trainer.fit(module, make_data("sft", checkpoint, batches=4), ckpt_path=resume)
        weights = weights_of(module)
        if trainer.is_global_zero:
            torch.save(weights, folder / f"{name}.pt")


RUNS: dict[str, Callable[[Path, Path], None]] = {
    "ddp": partial(short_fits, "ddp"),
    "fsdp2": partial(short_fits, "fsdp2"),
    "fsdp2_resume": partial(sharded_resume, None),
    "fsdp2_resume_lora": partial(sharded_resume, LoraSettings(r=4)),
}


def two_processes(run: str, checkpoint: Path, folder: Path) -> None:
    """One of `RUNS`, on two ranks on the CPU."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        environment.pop(name, None)
    command = [sys.executable, __file__, run, str(checkpoint), str(folder)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert finished.returncode == 0, finished.stderr[-4000:]


if __name__ == "__main__":
    RUNS[sys.argv[1]](*map(Path, sys.argv[2:]))
