"""Small fits of the real thing for the tests of this folder: a random Qwen3 of 2 layers x 32 on tiny tasks.

Also a program: `two_processes` starts it as ``python small_runs.py RUN CHECKPOINT FOLDER``.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch import Tensor
from typing_extensions import override

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.callbacks.export import ExportPolicy
from lit_grpo.callbacks.last_checkpoint import LastCheckpoint
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.checkpointing import AtomicCheckpointIO, AtomicModelParallelStrategy, RandomStates
from lit_grpo.data.curriculum.base import BatchPlan, Conditions, Curriculum, Outcomes, normalised
from lit_grpo.data.datamodule import DemonstrationDataModule, ReplaySettings, TaskDataModule
from lit_grpo.data.demonstrations import DemonstrationSettings
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.data.splits import Cell, Split
from lit_grpo.data.task import RefillIndex, Task, TaskIndex, TaskSettings, generate_task
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.settings import EngineSettings
from lit_grpo.engines.weights import full_weights
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.workers import SolverSettings
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.objective import Objective
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import KLEstimator, KLPlace
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.base import PolicyModule, PolicySettings
from lit_grpo.modules.dagger import DAggerModule
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.mismatch_monitor import MismatchLimits, MismatchMonitorSettings
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.policy import load_policy
from lit_grpo.modules.quantization import QuantizationSettings
from lit_grpo.modules.sft import SFTModule
from lit_grpo.rewards.base import RewardBreakdown
from lit_grpo.rewards.components import RewardComponents
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.refill import DynamicSampling
from lit_grpo.rollout.settings import RolloutSettings

TASKS = TaskSettings(size=ProgramSize.TINY)
EPISODE = EpisodeSettings(max_turns=2, undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)
NO_HELD_OUT = HeldOutSettings(num_validation_tasks=0, num_test_tasks=0)
ADAMW = OptimizerSettings(learning_rate=1e-3, final_fraction=0.1, decay_batches=6, warmup_batches=1)
MUON = OptimizerSettings(learning_rate=1e-3, matrix_learning_rate=2e-3, final_fraction=0.1, decay_batches=6)

ANY_SAMPLER = MismatchMonitorSettings(stop=MismatchLimits(math.inf, math.inf, math.inf, 0.0, math.inf, math.inf))
"""For scripted engines, whose log-probs are none of the policy's."""

Kind = Literal["sft", "grpo", "dagger"]
StrategyName = Literal["one", "ddp", "fsdp2", "fsdp2_alone"]


class CoinRewards(RolloutCallback):
    """The real rollout, with another reward: the share of sampled tokens whose id is even.

    A random policy never repairs a program, so its true rewards are all 0 and teach nothing. Attempts at a task that
    ``is_flat`` says so of are all paid alike; those that earn more than 0.5 count as faithful.
    """

    def __init__(
        self,
        group_size: int = 4,
        solver: SolverSettings | None = None,
        dynamic_sampling: DynamicSampling | None = None,
        is_flat: Callable[[Any], bool] = lambda task: False,
        max_staleness: int = 0,
        engine: EngineSettings | None = None,
    ) -> None:
        settings = RolloutSettings(
            group_size=group_size,
            sampling=SamplingSettings(temperature=1.0, max_completion_tokens=6),
            dynamic_sampling=dynamic_sampling,
            max_staleness=max_staleness,
        )
        super().__init__(settings, EPISODE, engine, solver)
        self.is_flat = is_flat
        self.mean_rewards: list[float] = []
        self.played: list[tuple[str, ...]] = []
        """Tasks of each call: those of a batch, then those of its refills."""

    @override
    def collect(self, tasks: Sequence[Task], *arguments: Any, **named: Any) -> list[RepairGroup]:
        groups = super().collect(tasks, *arguments, **named)
        paid = [_paid(group, 0.5 if self.is_flat(group.task) else None) for group in groups]
        self.played.append(tuple(task.id for task in tasks))
        rewards = [reward.total for group in paid for reward in group.rewards]
        self.mean_rewards.append(sum(rewards) / len(rewards))
        return paid


def _paid(group: RepairGroup, reward: float | None) -> RepairGroup:
    tokens = [[token for turn in attempt.turns for token in turn.completion_ids] for attempt in group.attempts]
    even = [sum(token % 2 == 0 for token in own) / max(len(own), 1) for own in tokens]
    shares = even if reward is None else [reward] * len(even)
    scores = tuple(replace(score, faithful=share > 0.5) for score, share in zip(group.scores, shares, strict=True))
    rewards = tuple(RewardBreakdown(RewardComponents(share, 0.0, 0.0), share, share) for share in shares)
    return replace(group, scores=scores, rewards=rewards)


def make_module(
    kind: Kind,
    checkpoint: Path,
    optimizer: OptimizerSettings = ADAMW,
    lora: LoraSettings | None = None,
    demonstration_loss_weight: float = 0.0,
    mismatch_monitor: MismatchMonitorSettings | None = None,
    quantization: QuantizationSettings | None = None,
    frozen_layers: int = 0,
    **axes: Any,
) -> PolicyModule:
    policy = PolicySettings(checkpoint, lora=lora, quantization=quantization, frozen_layers=frozen_layers)
    if kind == "sft":
        return SFTModule(policy, optimizer, microbatch_tokens=512)
    if kind == "dagger":
        return DAggerModule(policy, optimizer, axes.get("beta", 0.0), demonstration_loss_weight, 512)
    objective = Objective(ClippedLoss(), **axes)
    return GRPOModule(policy, optimizer, objective, demonstration_loss_weight, 512, mismatch_monitor)


def make_data(
    kind: Kind,
    checkpoint: Path,
    batches: int,
    replayed: int = 2,
    held_out: HeldOutSettings = NO_HELD_OUT,
    curriculum: Curriculum | None = None,
) -> pl.LightningDataModule:
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
    return TaskDataModule(TASKS, held_out, num_tasks=4, batches_per_epoch=batches, replay=replay, curriculum=curriculum)


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
        plugins=[AtomicCheckpointIO()],
        **({"enable_checkpointing": False, "limit_val_batches": 0} | arguments),
    )


def weights_of(module: PolicyModule) -> dict[str, Tensor]:
    return {name: tensor.cpu().clone() for name, tensor in full_weights(module.policy.model, trainable_only=False)}


def assert_same_steps(
    result: dict[str, Tensor], expected: dict[str, Tensor], checkpoint: Path, tolerance: float = 5e-3
) -> None:
    """Weights of two runs that took the same steps from a checkpoint: the rest is rounding.

    A matrix's difference is held against how far its steps went, both as Frobenius norms. Entry by entry it could not
    be: Adam makes a gradient that is nothing but rounding as large as any other. One step of three too many, or too
    few, is a third of the way.
    """
    start = load_policy(checkpoint).model.state_dict()
    assert result.keys() == expected.keys()
    for name, tensor in expected.items():
        moved = (tensor - start[name]).norm()
        assert (result[name] - tensor).norm() <= tolerance * moved, (name, float(moved))


SHORT_FITS: dict[str, tuple[Kind, dict[str, Any]]] = {
    "sft": ("sft", {}),
    "sft_muon": ("sft", {"optimizer": MUON}),
    "grpo": ("grpo", {"demonstration_loss_weight": 0.3}),
    "dagger": ("dagger", {"demonstration_loss_weight": 0.3, "beta": 0.5}),
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
"""SFT with either optimizer, GRPO and DAgger with replay, and GRPO with every axis that looks at all ranks."""


def short_fits(strategy: StrategyName, checkpoint: Path, folder: Path, **trainer_arguments: Any) -> None:
    """Three batches of each of `SHORT_FITS`; the whole weights of each in ``folder``."""
    for name, (kind, arguments) in SHORT_FITS.items():
        pl.seed_everything(0)
        module = make_module(kind, checkpoint, **arguments)
        callbacks = [CoinRewards()] if kind != "sft" else []
        trainer = make_trainer(folder, strategy, callbacks=callbacks, **trainer_arguments)
        trainer.fit(module, make_data(kind, checkpoint, batches=3))
        weights = weights_of(module)
        if trainer.is_global_zero:
            torch.save({"weights": weights, "steps": trainer.global_step}, folder / f"{name}.pt")


def half_flat(task: Task) -> bool:
    """Of every second task, by its content."""
    return int(task.id[:8], 16) % 2 == 0


def flat_on_second_rank(num_rounds: int) -> Callable[[Task], bool]:
    """Of what comes into the second half's places of three batches, those of the second of two ranks, so many times."""
    solver = HighsSolver()
    ordinary: list[TaskIndex] = [4 * batch + slot for batch in range(3) for slot in (2, 3)]
    refills = [RefillIndex(b, number, slot) for b in range(3) for number in range(1, num_rounds) for slot in (2, 3)]
    ids = {generate_task(TASKS, Split.TRAIN, 0, index, solver).id for index in [*ordinary, *refills]}
    return lambda task: task.id in ids


REFILLED = {"once": 1, "never_found": 3}
"""Rounds, out of the batch itself and two refills, in which the second rank's groups are flat."""


def refilled_fits(strategy: StrategyName, checkpoint: Path, folder: Path) -> None:
    """Three batches of each of `REFILLED`, in which the first half needs no refill; the whole weights of each."""
    for name, num_rounds in REFILLED.items():
        pl.seed_everything(0)
        module = make_module("grpo", checkpoint, advantage=AdvantageEstimator.BATCH)
        rollout = CoinRewards(dynamic_sampling=DynamicSampling(2), is_flat=flat_on_second_rank(num_rounds))
        trainer = make_trainer(folder, strategy, callbacks=[rollout])
        trainer.fit(module, make_data("grpo", checkpoint, batches=3))
        weights = weights_of(module)
        if trainer.is_global_zero:
            torch.save(weights, folder / f"{name}.pt")


class Remembering(Curriculum):
    """Decides by the digest of everything it was ever told: what is missed, doubled or differs changes all after."""

    def __init__(self) -> None:
        self.digest = ""
        self.cells: list[Cell] = []

    @override
    def require(self, conditions: Conditions) -> None:
        self.cells = list(conditions.cells)

    @override
    def begin_batch(self) -> BatchPlan:
        rng = Random(self.digest)
        return BatchPlan(normalised({cell: rng.random() for cell in self.cells}))

    @override
    def observe_rollouts(self, outcomes: Outcomes) -> None:
        self._remember("rollouts", outcomes)

    @override
    def observe_validation(self, outcomes: Outcomes) -> None:
        self._remember("validation", outcomes)

    @override
    def numbers(self) -> dict[str, float]:
        return {}

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"digest": self.digest}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.digest = state["digest"]

    def _remember(self, what: str, outcomes: Outcomes) -> None:
        told = sorted((*cell, *tally) for cell, tally in outcomes.items() if tally.attempts)
        self.digest = blake2b(repr((self.digest, what, told)).encode()).hexdigest()


def curriculum_fit(
    strategy: StrategyName, checkpoint: Path, folder: Path, resume: Path | None = None
) -> tuple[dict[str, Tensor], CoinRewards, str]:
    """Two epochs of three batches, half of the tasks flat and refilled, a validation after every second batch.

    A checkpoint after each batch, before its validation, and one after each validation. Gives the weights, the
    rollouts, and the digest that the curriculum ended with.
    """
    pl.seed_everything(0 if resume is None else 99)
    module = make_module("grpo", checkpoint, demonstration_loss_weight=0.3)
    rollout = CoinRewards(dynamic_sampling=DynamicSampling(1), is_flat=half_flat)
    curriculum = Remembering()
    held_out = HeldOutSettings(num_validation_tasks=6, num_test_tasks=0, batch_size=4)
    trainer = make_trainer(
        folder,
        strategy,
        max_epochs=2,
        limit_val_batches=1.0,
        val_check_interval=2,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=-1,
        enable_checkpointing=True,
        callbacks=[
            rollout,
            RepairEvaluation(max_completion_tokens=4, episode=EPISODE),
            ModelCheckpoint(folder, "batch_{step}", every_n_train_steps=1, save_top_k=-1),
            ModelCheckpoint(folder, "validated_{step}", save_top_k=-1, save_on_train_epoch_end=False),
        ],
    )
    data = make_data("grpo", checkpoint, batches=3, held_out=held_out, curriculum=curriculum)
    trainer.fit(module, data, ckpt_path=None if resume is None else str(resume))
    return weights_of(module), rollout, curriculum.digest


def curriculum_on_two_ranks(checkpoint: Path, folder: Path) -> None:
    """One such fit; what each rank played and ended with in ``rank0.json`` and ``rank1.json``."""
    weights, rollout, digest = curriculum_fit("ddp", checkpoint, folder)
    rank = os.environ.get("LOCAL_RANK", "0")
    (folder / f"rank{rank}.json").write_text(json.dumps({"digest": digest, "played": rollout.played}))
    if rank == "0":
        torch.save(weights, folder / "weights.pt")


def sharded_resume(lora: LoraSettings | None, checkpoint: Path, folder: Path) -> None:
    """FSDP2: four batches of SFT with a sharded checkpoint after each; then again from the second one.

    Leaves in ``folder``: ``whole.pt`` and ``resumed.pt``, the weights of each; ``whole/policy``, exported from the
    checkpoint called best, which is that of the last batch; and the checkpoints. Where there is ``one.ckpt``, written
    whole by one process, ``from_one.pt`` has the weights of the run that goes on from it.
    """
    starts = {"whole": None, "resumed": folder / "whole" / "batch_step=2.ckpt"}
    if (folder / "one.ckpt").exists():
        starts["from_one"] = folder / "one.ckpt"
    for name, resume in starts.items():
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


class FailingOnSecondRank(CoinRewards):
    """Raises on the second of two ranks when it pays the attempts of the third batch."""

    @override
    def collect(self, tasks: Sequence[Task], *arguments: Any, **named: Any) -> list[RepairGroup]:
        groups = super().collect(tasks, *arguments, **named)
        if len(self.played) == 3 and os.environ.get("LOCAL_RANK") == "1":
            raise ArithmeticError("a reward that raises")
        return groups


def failing_fit(checkpoint: Path, folder: Path) -> None:
    """A fit on two ranks that one of them ends with an exception; the other loses its connection."""
    callbacks = [FailingOnSecondRank(2), LastCheckpoint()]
    trainer = make_trainer(folder, "ddp", callbacks=callbacks, enable_checkpointing=True)
    try:
        trainer.fit(make_module("grpo", checkpoint), make_data("grpo", checkpoint, batches=4))
    except (ArithmeticError, RuntimeError):
        os._exit(0)  # nobody is left to wait for


RUNS: dict[str, Callable[[Path, Path], None]] = {
    "ddp": partial(short_fits, "ddp"),
    "fsdp2": partial(short_fits, "fsdp2"),
    "ddp_curriculum": curriculum_on_two_ranks,
    "ddp_failing": failing_fit,
    "ddp_refilled": partial(refilled_fits, "ddp"),
    "fsdp2_resume": partial(sharded_resume, None),
    "fsdp2_resume_lora": partial(sharded_resume, LoraSettings(r=4)),
}


def two_processes(run: str, checkpoint: Path, folder: Path, program: str = __file__) -> None:
    """One of the ``RUNS`` of a program, on two ranks on the CPU."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        environment.pop(name, None)
    command = [sys.executable, program, run, str(checkpoint), str(folder)]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert finished.returncode == 0, finished.stderr[-4000:]


def run_as_program(runs: Mapping[str, Callable[[Path, Path], None]]) -> None:
    """What `two_processes` asked for, on this rank."""
    runs[sys.argv[1]](*map(Path, sys.argv[2:]))
    # A rank that leaves while another one's threads still wait for it can take that one down with it.
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    run_as_program(RUNS)
