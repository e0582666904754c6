"""The canary: ten steps of a real fit at learning rate 0, in which nothing may move. Called by `lit-grpo canary`.

Takes the configs and options of `lit-grpo fit`, and runs them twice: with their engine, and with the transformers
engine. Shows the mismatch of every step and both engines' rewards, and ends with 1 if the weights changed, the mismatch
is beyond the limits that the monitor warns of or grows from step to step, or the rewards differ by more than rounding
explains.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import lightning.pytorch as pl
from jsonargparse import Namespace
from lightning.fabric.utilities.rank_zero import rank_zero_only
from rich.console import Console
from rich.table import Table
from typing_extensions import override

from lit_grpo.callbacks.canary import Canary, CanaryRun
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.cli import RepairCLI, UserError, status_of
from lit_grpo.engines.settings import TransformersSettings
from lit_grpo.engines.vllm.proof import WeightsDiffer
from lit_grpo.modules.mismatch_monitor import SamplerDiffers, exceeded

NUM_STEPS = 10
SHARE_OF_DRAWS = 0.01
"""Episodes of a step that rounding may let end otherwise in float32, one at least: a draw that falls between two tokens
comes about once in 10^5 tokens."""
GROWTH = 2.0
"""The mismatch of the second half over that of the first, and a tenth of the limit more, that chance explains."""
STANDARD_ERRORS = 4.0
COLUMNS = ("mean", "max", "kl", "effective_share", "outside")


class CanaryCLI(RepairCLI):
    """`lit-grpo fit` of ten steps at learning rate 0, without validation, checkpoints and logs."""

    def __init__(self, args: Sequence[str], canary: Canary, is_reference: bool) -> None:
        self._canary, self._is_reference = canary, is_reference
        super().__init__(["fit", *args])

    @override
    def _parse_ckpt_path(self) -> None:
        """Refuse a checkpoint, before it is looked for."""
        if self.config["fit"].get("ckpt_path") is not None:
            raise UserError(
                "--ckpt_path: expected none, got one, which would bring its learning rate back; name the policy's "
                "folder with --model.policy.checkpoint"
            )
        super()._parse_ckpt_path()

    @override
    def before_instantiate_classes(self) -> None:
        """Keep the rollout of the config, and nothing else that a fit does."""
        config = self.config["fit"]
        rollouts = [c for c in config.trainer.callbacks or () if c.class_path.endswith(RolloutCallback.__name__)]
        if len(rollouts) != 1 or "objective" not in config.model.init_args:
            raise UserError("expected the configs of a GRPO fit, with one RolloutCallback, got others")
        rollouts[0].init_args.transcripts_every = 0
        # What is played ahead is drawn with weights that are not sent again.
        config.rollout.max_staleness = 0
        self._still(config.model.init_args.optimizer)
        config.data.init_args.batches_per_epoch = NUM_STEPS
        # It has nothing to decide on.
        config.data.init_args.curriculum = None
        if self._is_reference:
            config.engine = Namespace(class_path=_path_of(TransformersSettings), init_args=Namespace())
        config.trainer.callbacks = rollouts
        for name, value in _ONLY_TRAINING.items():
            config.trainer[name] = value
        super().before_instantiate_classes()

    @override
    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Put the canary behind the rollout."""
        self.config_init["fit"].trainer.callbacks.append(self._canary)
        return super().instantiate_trainer(**kwargs)

    @staticmethod
    def _still(optimizer: Namespace) -> None:
        optimizer.learning_rate = 0.0
        if optimizer.matrix_learning_rate is not None:
            optimizer.matrix_learning_rate = 0.0


_ONLY_TRAINING: dict[str, Any] = {
    "max_epochs": 1,
    "max_steps": -1,
    "limit_train_batches": NUM_STEPS,
    "limit_val_batches": 0,
    "num_sanity_val_steps": 0,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
}


def run_canary(fit: Sequence[str], folder: Path) -> int:
    """Run both fits and compare them.

    Args:
        fit: Words of `lit-grpo fit`.
        folder: The folder for the configs as they were run.

    Returns:
        Exit status: 0 if nothing moves, 1 if something does, 2 after an error of the user's.
    """
    runs: list[CanaryRun] = []

    def run_both() -> int:
        for name in ("engine", "transformers"):
            canary = Canary()
            CanaryCLI([*fit, f"--trainer.default_root_dir={folder / name}"], canary, name == "transformers")
            assert canary.run is not None, "interrupted"
            runs.append(canary.run)
        return 0

    try:
        status = status_of(run_both, fit, "lit-grpo canary")
    except (SamplerDiffers, WeightsDiffer) as error:
        print(f"DRIFT: {error}")
        return 1
    return status or report(*runs)


@rank_zero_only
def show(run: CanaryRun, reference: CanaryRun) -> None:
    """The table of the steps."""
    table = Table("step", "reward", "of transformers", *COLUMNS, title=f"learning rate 0, {run.dtype}")
    for number, (step, other) in enumerate(zip(run.steps, reference.steps, strict=True), 1):
        values = [f"{step.mismatch[f'mismatch_{name}']:.3g}" for name in COLUMNS]
        table.add_row(str(number), f"{step.reward:.6f}", f"{other.reward:.6f}", *values)
    Console(width=110).print(table)


def report(run: CanaryRun, reference: CanaryRun) -> int:
    """Show the steps and what moved; 1 if anything did."""
    show(run, reference)
    problems = list(drifts(run, reference))
    for problem in problems:
        rank_zero_only(print)(f"DRIFT: {problem}")
    if not problems:
        rank_zero_only(print)(f"no drift in {len(run.steps)} steps at learning rate 0")
    return int(bool(problems))


def drifts(run: CanaryRun, reference: CanaryRun) -> Iterator[str]:
    """What moved, or differs, in words; nothing if all is well."""
    if run.changed:
        yield f"expected the weights as they were, got others: {len(run.changed)} tensors, first {run.changed[0]}"
    for number, step in enumerate(run.steps, 1):
        if step.not_finite > 0:
            share = f"{step.not_finite:.2%} of attempts"
            yield f"step {number}: expected finite rewards and log-probs, got others in {share}"
        for beyond in exceeded(step.mismatch, run.limits):
            yield f"step {number}: {beyond}"
    for name in ("mean", "kl"):
        first, second = _halves([step.mismatch[f"mismatch_{name}"] for step in run.steps])
        if not second <= GROWTH * first + run.limits[name] / 10:
            yield f"expected mismatch_{name} to stay, got {first:.3g} in the first half and {second:.3g} in the second"
    differences = [one.reward - other.reward for one, other in zip(run.steps, reference.steps, strict=True)]
    yield from _exact(differences, run) if run.dtype == "float32" else _on_average(differences)


def _exact(differences: Sequence[float], run: CanaryRun) -> Iterator[str]:
    """Say where rewards differ in float32, in which both engines draw the same tokens, but for a draw in 10^5."""
    most = max(1, round(SHARE_OF_DRAWS * run.num_episodes)) / run.num_episodes
    for number, difference in enumerate(differences, 1):
        if not abs(difference) <= most + 1e-6:
            yield (
                f"step {number}: expected the reward of the transformers engine to within {most:.3g}, got one that "
                f"differs by {difference:.3g}"
            )


def _on_average(differences: Sequence[float]) -> Iterator[str]:
    """Say where mean rewards differ in bfloat16, in which the engines' draws part after a few tokens: the mean reward
    is the same up to chance.
    """
    mean, error = fmean(differences), stdev(differences) / math.sqrt(len(differences))
    if not abs(mean) <= STANDARD_ERRORS * error + 1e-6:
        yield (
            f"expected the mean reward of the transformers engine to within {STANDARD_ERRORS:g} standard errors of "
            f"{error:.3g}, got one that differs by {mean:.3g}"
        )


def _halves(values: Sequence[float]) -> tuple[float, float]:
    middle = len(values) // 2
    return fmean(values[:middle]), fmean(values[middle:])


def _path_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
