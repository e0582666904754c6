"""Training and evaluation end turns alike.

1. `rollout.sampling.stop` reaches every part that plays, under every command.
2. A turn ends at such a token, and at each end of sequence of a list in generation_config.json, in training,
   validation, test and predict.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
from lightning.pytorch.callbacks import Callback
from small_runs import EPISODE, CoinRewards, make_data, make_module, make_trainer

from lit_grpo.callbacks.evaluation import EvaluationSettings, RepairEvaluation
from lit_grpo.callbacks.repair_writer import RepairWriter
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.cli import RepairCLI, main
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.data.user_program import RepairDataModule
from lit_grpo.engines.policy_engine import PolicyEngine

ROOT = Path(__file__).parents[2]
PROGRAM = """Minimize
 obj: x
Subject To
 r: x >= 3
Bounds
 0 <= x <= 1
End
"""


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_1_every_command(command: str, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainers: list[pl.Trainer] = []
    monkeypatch.setattr(RepairCLI, "_run_subcommand", lambda cli, subcommand: trainers.append(cli.trainer))
    names = ["predict"] if command == "predict" else ["base", "grpo", "model/tiny"]
    more = [f"--data.program={tmp_path / 'plan.lp'}"] if command == "predict" else []
    words = [command, *(f"--config={ROOT / 'configs' / f'{name}.yaml'}" for name in names), *more]
    policy = f"--model.policy.checkpoint={tiny_checkpoint}"
    words += [policy, f"--trainer.default_root_dir={tmp_path}", "--rollout.sampling.stop=[5,6]"]
    assert main(words) == 0
    playing: list[Any] = [
        callback
        for callback in trainers[0].callbacks  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(callback, RolloutCallback | RepairEvaluation | RepairWriter)
    ]
    assert playing
    for callback in playing:
        stop = callback.stop if isinstance(callback, RepairWriter) else callback.play_settings.sampling.stop
        assert tuple(stop) == (5, 6)


def ending_nearly_everywhere(checkpoint: Path, folder: Path) -> tuple[Path, list[int]]:
    """A copy of the policy in which every second token ends a sequence."""
    shutil.copytree(checkpoint, folder)
    ends = list(range(1, 768, 2))
    document = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    (folder / "generation_config.json").write_text(json.dumps(document | {"eos_token_id": ends}), encoding="utf-8")
    return folder, ends


class Turns(Callback):
    """The sampled turns of whatever is played."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.completions: list[tuple[int, ...]] = []
        original = PolicyEngine.current

        def current(engine: PolicyEngine, policy: Any) -> Any:
            found: Any = original(engine, policy)
            wait = type(found).wait

            def watched(*arguments: Any) -> Any:
                done = wait(found, *arguments)
                self.completions += [completion.token_ids for completion in done]
                return done

            found.wait = watched
            return found

        monkeypatch.setattr(PolicyEngine, "current", current)


class Stopping(CoinRewards):
    """The rollout with stop tokens."""

    def __init__(self, stop: tuple[int, ...]) -> None:
        super().__init__()
        object.__setattr__(self.play_settings.sampling, "stop", stop)


@pytest.mark.parametrize("by", ["generation_config", "sampling.stop"])
@pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])
def test_2_turns_end(
    by: str, stage: str, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop: tuple[int, ...] = ()
    if by == "generation_config":
        checkpoint, ends = ending_nearly_everywhere(tiny_checkpoint, tmp_path / "policy")
    else:
        checkpoint, ends = tiny_checkpoint, list(range(1, 768, 2))
        stop = tuple(ends)
    turns, module = Turns(monkeypatch), make_module("grpo", checkpoint)
    # An untrained policy repeats itself where it is greedy.
    drawn = EvaluationSettings(temperature=1.0)
    evaluation = RepairEvaluation(drawn, max_completion_tokens=6, episode=EPISODE, stop=stop)
    writer = RepairWriter(max_completion_tokens=6, episode=EPISODE, stop=stop)
    callbacks: list[Callback] = {"fit": [Stopping(stop)], "predict": [writer]}.get(stage, [evaluation])
    pl.seed_everything(0)
    trainer = make_trainer(tmp_path, callbacks=callbacks, limit_val_batches=1.0)
    if stage == "predict":
        (tmp_path / "plan.lp").write_text(PROGRAM, encoding="utf-8")
        trainer.predict(module, RepairDataModule(tmp_path / "plan.lp"))
        assert writer.exit_status == 1
    else:
        held_out = HeldOutSettings(num_validation_tasks=0 if stage == "fit" else 8, num_test_tasks=8, batch_size=8)
        getattr(trainer, stage)(module, make_data("grpo", checkpoint, 1, held_out=held_out))
    assert len(turns.completions) >= 8
    for completion in turns.completions:
        assert not set(completion[:-1]) & set(ends)
    assert any(completion[-1] in ends and len(completion) < 6 for completion in turns.completions)
