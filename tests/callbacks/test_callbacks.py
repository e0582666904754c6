"""What callbacks compute and write.

1. The guarded score takes off the largest loss of any kind since the start, and nothing where none was lost.
2. metrics.csv keeps a run's history over a resume, and forgets what happened after the checkpoint it resumed from.
3. The engine is synced once per policy version, also after a checkpoint was loaded.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest
from torch import Tensor

from lit_grpo.callbacks.evaluation import guarded_score
from lit_grpo.callbacks.metrics_csv import MetricsCsv
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.engines.settings import BuiltEngine, EngineSettings
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.base import PolicyModule, PolicySettings
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.sft import SFTModule


def test_the_guard() -> None:
    start = {"A": 0.5, "D": 0.36}
    assert guarded_score(0.6, {"A": 0.9, "D": 0.02}, start) == pytest.approx(0.26)
    assert guarded_score(0.6, {"A": 0.9, "D": 0.4}, start) == 0.6
    assert guarded_score(0.6, {"A": 0.9, "B": 0.1}, start) == 0.6


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_metrics_over_a_resume(tmp_path: Path) -> None:
    first = MetricsCsv(tmp_path)
    for step in range(4):
        first.log_metrics({"loss": float(step)}, step)
    first.log_metrics({"val": 0.5}, 3)
    first.finalize("failed")
    resumed = MetricsCsv(tmp_path)
    resumed.log_metrics({"loss": 20.0}, 2)
    resumed.finalize("success")
    assert [(row["step"], row["loss"]) for row in rows(tmp_path)] == [("0", "0.0"), ("1", "1.0"), ("2", "20.0")]


class Counting(ScriptedEngine):
    syncs = 0

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], policy_version: int) -> None:
        self.syncs += 1
        assert dict(weights)


def test_the_engine_is_synced_once_per_version(tiny_checkpoint: Path) -> None:
    engine = Counting(lambda request: "", lambda text: [0], 0)
    module: PolicyModule = SFTModule(PolicySettings(tiny_checkpoint), OptimizerSettings())
    module.policy = module.policy_settings.load()
    closed: list[Counting] = []

    class Settings(EngineSettings):
        def build(self, module: PolicyModule, conversation: ConversationFormat) -> BuiltEngine:
            def sync(module: PolicyModule) -> None:
                engine.update_weights(full_weights(module.policy.model), module.policy_version)

            return BuiltEngine(engine, sync, lambda: closed.append(engine))

    shared = PolicyEngine(Settings())
    for _ in range(2):
        assert shared.synced(module) is engine
    assert engine.syncs == 1
    module.policy_version += 1
    shared.synced(module)
    shared.forget()
    shared.synced(module)
    assert engine.syncs == 3
    shared.close()
    shared.close()
    assert closed == [engine]
    shared.synced(module)
    assert engine.syncs == 4
