"""Which value wins, as docs/settings.md says: defaults, then configs and keys in the order of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_grpo.cli import main

CONFIGS = ["--config=base", "--config=grpo", "--config=model/tiny"]


def resolved(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main(["fit", *CONFIGS, *words, "--print_config"])
    assert ended.value.code in (0, None)
    return yaml.safe_load(capsys.readouterr().out)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "rollout: {group_size: 5, max_staleness: 0}\ntrainer: {callbacks: [{class_path: RolloutCallback}]}\n"
    )
    return f"--config={path}"


def test_keys_override_configs_and_later_configs_earlier_ones(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    # The default is 8 as in configs/grpo.yaml; temperature 1.3 is of that config alone, top_p 1.0 of no config.
    plain, later, keyed = (
        resolved(capsys, *words)["rollout"]
        for words in ((), (config,), ("--rollout.group_size=6", config, "--rollout.sampling.top_p=0.5"))
    )
    assert [settings["group_size"] for settings in (plain, later, keyed)] == [8, 5, 5]
    assert [settings["sampling"]["temperature"] for settings in (plain, later, keyed)] == [1.3] * 3
    assert [settings["sampling"]["top_p"] for settings in (plain, later, keyed)] == [1.0, 1.0, 0.5]
    assert resolved(capsys, config, "--rollout.group_size=6", "--rollout.group_size=7")["rollout"]["group_size"] == 7


def test_lists_are_replaced_or_appended_to(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    def names(*words: str) -> list[str]:
        return [part["class_path"].rpartition(".")[2] for part in resolved(capsys, *words)["trainer"]["callbacks"]]

    before = names()
    assert len(before) == 4
    assert names(config) == ["RolloutCallback"]
    assert names("--trainer.callbacks+=LearningRateMonitor") == [*before, "LearningRateMonitor"]


def test_sections_in_braces_and_other_classes(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model.optimizer.matrix_learning_rate=null", "--model.objective.loss=CISPOLoss"]
    model = resolved(capsys, *words)["model"]["init_args"]
    assert model["optimizer"]["matrix_learning_rate"] is None
    assert model["optimizer"]["learning_rate"] == 5e-4, "the config's: braces leave what they do not name"
    assert model["objective"]["loss"]["class_path"].endswith("CISPOLoss")
