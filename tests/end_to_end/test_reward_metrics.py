"""The reward never reaches a reported metric: the same episodes under every preset of configs/reward/.

A scripted policy plays in a real fit and a real test: by the draw's seed it drops the first row of the conflict, turns
its sense round, or says nothing. So some attempts are faithful, some optimal without being so, some neither.

1. results.json, scores.jsonl, every val/ and test/ number and every rollout/ number but those of the trained scale are
   the same, bit for bit; so is every episode on file, but for what trained.
2. The trained scale does differ: the presets were in force. FR and the unshaped composite stand beside it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import yaml
from jsonargparse import ArgumentParser
from small_runs import ANY_SAMPLER, EPISODE, make_module
from typing_extensions import override

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.datamodule import TaskDataModule
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.data.task import TaskSettings
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.engines.settings import BuiltEngine, EngineSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.program import Sense
from lit_grpo.environment.solver.workers import SolverSettings
from lit_grpo.rewards.base import Reward
from lit_grpo.rollout.settings import RolloutSettings

PRESETS = {path.stem: path for path in (Path(__file__).parents[2] / "configs" / "reward").glob("*.yaml")}
OF_THE_TRAINED_SCALE = {"rollout/trained_reward", "rollout/std_within_groups", "rollout/groups_with_signal"}
TASKS = TaskSettings(size=ProgramSize.TINY, kinds={FaultKind.SENSE: 1.0})
ROW = re.compile(r"^\* (\w+) .*? (<=|>=) ", re.MULTILINE)


class Scripted(EngineSettings):
    @override
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        return BuiltEngine.in_process(scripted(conversation), plays_ahead)


def scripted(conversation: ConversationFormat) -> ScriptedEngine:
    def act(request: GenerationRequest) -> str:
        found = ROW.search(conversation.decode(request.token_ids))
        if found is None or request.seed % 3 == 0:
            return "hm"
        row, sense = found.groups()
        move = {"diagnosis": [f"row:{row}"], "action": "drop", "row": row}
        if request.seed % 3 == 1:
            move |= {"action": "set_sense", "sense": Sense(sense).reversed.value}
        return json.dumps(move, separators=(",", ":"))

    stop = conversation.completion_ids("")[-1]
    return ScriptedEngine(act, lambda text: conversation.completion_ids(text)[:-1], stop)


def reward_of(preset: str) -> Reward:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Reward, "reward")
    tree = yaml.safe_load(PRESETS[preset].read_text(encoding="utf-8"))
    return parser.instantiate(parser.parse_object(tree["rollout"])).reward


def play(preset: str, checkpoint: Path, folder: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """What a fit and a test log, and what they write."""
    pl.seed_everything(0)
    in_process = SolverSettings(workers=0)
    sampling = SamplingSettings(temperature=1.0, max_completion_tokens=80)
    settings = RolloutSettings(group_size=6, sampling=sampling, reward=reward_of(preset))
    rollouts = RolloutCallback(settings, EPISODE, solver=in_process, transcripts_every=1)
    rollouts.engine = PolicyEngine(Scripted())
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=1,
        default_root_dir=folder,
        callbacks=[rollouts, RepairEvaluation(max_completion_tokens=80, episode=EPISODE, solver=in_process)],
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = make_module("grpo", checkpoint, mismatch_monitor=ANY_SAMPLER)
    data = TaskDataModule(TASKS, HeldOutSettings(6, 6), num_tasks=4, batches_per_epoch=2)
    trainer.fit(module, data)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    trainer.test(module, data, verbose=False)
    logged |= {name: float(value) for name, value in trainer.callback_metrics.items()}
    return logged, {str(path.relative_to(folder)): content(path) for path in folder.rglob("*.json*")}


def content(path: Path) -> str | list[dict[str, Any]]:
    """Of a file; of episodes, without what trained."""
    text = path.read_text(encoding="utf-8")
    if path.name != "episodes.jsonl":
        return text
    episodes = [json.loads(line) for line in text.splitlines()]
    for episode in episodes:
        del episode["reward"]["total"]
    return episodes


@pytest.fixture(scope="module")
def runs(
    tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[dict[str, float], dict[str, Any]]]:
    return {preset: play(preset, tiny_checkpoint, tmp_path_factory.mktemp(preset)) for preset in PRESETS}


def reported(logged: dict[str, float]) -> dict[str, float]:
    parts = ("rollout/", "val/", "test/")
    left_out = OF_THE_TRAINED_SCALE | {"rollout/rollout_s", "rollout/wait_s"}
    return {name: value for name, value in logged.items() if name.startswith(parts) and name not in left_out}


@pytest.mark.parametrize("preset", PRESETS)
def test_1_every_reported_metric_is_the_same(
    preset: str, runs: dict[str, tuple[dict[str, float], dict[str, Any]]]
) -> None:
    (logged, files), (expected, expected_files) = runs[preset], runs["composite"]
    assert {"rollout/reward", "rollout/faithful", "val/FR@5", "val/guarded_FR@5", "test/FR@5"} <= set(expected)
    assert repr(reported(logged)) == repr(reported(expected))
    assert {"results.json", "scores.jsonl", "episodes.jsonl", "validation/batch_000002/scores.jsonl"} <= set(files)
    assert files == expected_files
    assert 0 < logged["rollout/faithful"] < logged["rollout/recovered"] < 1, "attempts of all sorts"


def test_2_what_trains_is_not(runs: dict[str, tuple[dict[str, float], dict[str, Any]]]) -> None:
    trained = {preset: logged["rollout/trained_reward"] for preset, (logged, _) in runs.items()}
    assert len(set(trained.values())) == len(PRESETS)
    logged = runs["composite"][0]
    assert logged["rollout/reward"] == trained["composite"]
    assert trained["outcome"] == logged["rollout/faithful"] == logged["rollout/outcome"]
    assert trained["hybrid"] < trained["asymmetric"]
