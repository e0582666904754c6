"""The presets of configs/loss/: each resolves to the objective that its paper has.

1. Each builds a GRPOModule with the axes of the table.
2. There is one for each name, and none that is not in the table.
3. A preset overridden into nonsense is refused on the command line: status 2 and one line.
4. Every axis can be set from YAML; so does the example of docs/losses.md, which holds every argument there is.
"""

from __future__ import annotations

import re
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.cli import main
from lit_grpo.losses.mismatch_weight import MismatchRule, MismatchWeight
from lit_grpo.losses.objective import Objective
from lit_grpo.losses.overlong import OverlongPenalty
from lit_grpo.losses.reduction import Reduction
from lit_grpo.losses.reference_kl import KLEstimator, KLPlace
from lit_grpo.modules.grpo import GRPOModule

ROOT = Path(__file__).parents[2] / "configs"
CLIPPED, GSPO = {"clip_low": 0.2, "clip_high": 0.2}, {"clip_low": 3e-4, "clip_high": 4e-4}
GROUP, CENTRED, OTHERS = AdvantageEstimator.GROUP, AdvantageEstimator.CENTRED, AdvantageEstimator.LEAVE_ONE_OUT
SEQUENCES, TOKENS, SUMS = Reduction.SEQUENCE_MEAN, Reduction.TOKEN_MEAN, Reduction.SEQUENCE_SUM
PRESETS: dict[str, tuple[str, dict[str, float], dict[str, Any]]] = {
    "grpo": ("ClippedLoss", CLIPPED, {"reduction": SEQUENCES, "kl_beta": 1e-3}),
    "dapo": (
        "ClippedLoss",
        CLIPPED | {"clip_high": 0.28},
        {"reduction": TOKENS, "overlong_penalty": OverlongPenalty(160, 32)},
    ),
    "dr_grpo": (
        "ClippedLoss",
        CLIPPED,
        {"reduction": Reduction.CONSTANT_LENGTH, "max_sequence_tokens": 160, "advantage": CENTRED},
    ),
    "gspo": ("SequenceClippedLoss", GSPO, {"reduction": SEQUENCES}),
    "cispo": ("CISPOLoss", {"clip_low": 1.0, "clip_high": 0.28}, {"reduction": TOKENS}),
    "sapo": ("SAPOLoss", {"tau_pos": 1.0, "tau_neg": 1.05}, {"reduction": SEQUENCES}),
    "gmpo": ("GMPOLoss", {"log_clip": 0.4}, {"reduction": SEQUENCES}),
    "rloo": ("ReinforceLoss", {}, {"reduction": SUMS, "advantage": OTHERS, "updates_per_rollout": 1}),
    "rejection_sampling": (
        "ReinforceLoss",
        {},
        {"reduction": TOKENS, "advantage": AdvantageEstimator.SUCCESS, "updates_per_rollout": 1},
    ),
    "reinforce": ("ReinforceLoss", {}, {"reduction": SUMS, "advantage": CENTRED, "updates_per_rollout": 1}),
}
"""Surrogate, its settings, and the axes that differ from those of `EXPECTED`."""
EXPECTED: dict[str, Any] = {
    "advantage": GROUP,
    "kl_beta": 0.0,
    "kl_estimator": KLEstimator.K3,
    "kl_place": KLPlace.LOSS,
    "mismatch": None,
    "mismatch_mask": None,
    "entropy_bonus": 0.0,
    "entropy_top_share": 1.0,
    "overlong_filter": False,
    "overlong_penalty": None,
    "max_sequence_tokens": None,
    "updates_per_rollout": 4,
}


def command(preset: str, *arguments: str) -> list[str]:
    names = ("base.yaml", "grpo.yaml", f"loss/{preset}.yaml", "model/tiny.yaml")
    return ["fit", *(part for name in names for part in ("--config", str(ROOT / name))), *arguments]


def objective_of(capsys: pytest.CaptureFixture[str], preset: str, *arguments: str) -> Objective:
    with pytest.raises(SystemExit):
        main(command(preset, *arguments, "--print_config"))
    resolved = yaml.safe_load(capsys.readouterr().out)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(GRPOModule, "model")
    module = parser.instantiate(parser.parse_object({"model": resolved["model"]})).model
    assert isinstance(module, GRPOModule)
    return module.objective


@pytest.mark.parametrize("preset", PRESETS)
def test_1_each_is_its_papers_objective(preset: str, capsys: pytest.CaptureFixture[str]) -> None:
    objective = objective_of(capsys, preset)
    surrogate, settings, axes = PRESETS[preset]
    assert type(objective.loss).__name__ == surrogate
    assert {name: vars(objective.loss)[name] for name in settings} == settings
    expected = EXPECTED | axes
    assert {name: getattr(objective, name) for name in expected} == expected
    assert {"loss", *expected} == {field.name for field in fields(Objective)}


def test_2_one_for_each_name() -> None:
    assert sorted(path.stem for path in (ROOT / "loss").glob("*.yaml")) == sorted(PRESETS)


@pytest.mark.parametrize(
    ("preset", "arguments", "message"),
    [
        ("grpo", ["--model.objective.kl_estimator=K1"], "kl_estimator: expected K2 or K3 with kl_place LOSS, got K1"),
        ("grpo", ["--model.objective.kl_place=REWARD"], "kl_estimator: expected K1 with kl_place REWARD, got K3"),
        (
            "grpo",
            ["--model.objective.loss.init_args.clip_low=1.5"],
            "clip_low <= 1 and clip_high >= 0, got 1.5",
        ),
        ("gspo", ["--model.objective.entropy_top_share=0.2"], "entropy_top_share: expected 1 with SequenceClippedLoss"),
        (
            "dr_grpo",
            ["--model.objective.reduction=TOKEN_MEAN"],
            "expected none with reduction TOKEN_MEAN",
        ),
        ("dapo", ["--model.objective.reduction=CONSTANT_LENGTH"], "max_sequence_tokens: expected at least 1"),
        (
            "dapo",
            ["--model.objective.mismatch={rule: TOKEN_MASK, lowest: 1.2}"],
            "expected 0 <= lowest <= 1",
        ),
    ],
)
def test_3_nonsense_is_refused_in_one_line(
    preset: str, arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(preset, *arguments, f"--trainer.default_root_dir={tmp_path / 'run'}")) == 2
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in printed


def test_4_every_axis_from_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "all.yaml"
    config.write_text(
        "model:\n  init_args:\n    objective:\n"
        "      loss: {class_path: DPPOLoss, init_args: {delta: 0.1}}\n"
        "      reduction: PROMPT_MEAN\n"
        "      advantage: PER_COMPONENT\n"
        "      kl_beta: 0.01\n      kl_estimator: K1\n      kl_place: REWARD\n"
        "      mismatch: {rule: SEQUENCE_GEOMETRIC, lowest: 0.9, highest: 1.1}\n"
        "      mismatch_mask: {rule: TOKEN_MASK, lowest: 0.1, highest: 8}\n"
        "      entropy_bonus: 0.001\n      entropy_top_share: 0.2\n"
        "      overlong_filter: true\n      overlong_penalty: {max_tokens: 90, buffer_tokens: 30}\n"
        "      updates_per_rollout: 2\n"
    )
    objective = objective_of(capsys, "reinforce", "--config", str(config))
    assert type(objective.loss).__name__ == "DPPOLoss"
    expected: dict[str, Any] = {
        "reduction": Reduction.PROMPT_MEAN,
        "advantage": AdvantageEstimator.PER_COMPONENT,
        "kl_beta": 0.01,
        "kl_estimator": KLEstimator.K1,
        "kl_place": KLPlace.REWARD,
        "mismatch": MismatchWeight(MismatchRule.SEQUENCE_GEOMETRIC, 0.9, 1.1),
        "mismatch_mask": MismatchWeight(MismatchRule.TOKEN_MASK, 0.1, 8.0),
        "entropy_bonus": 0.001,
        "entropy_top_share": 0.2,
        "overlong_filter": True,
        "overlong_penalty": OverlongPenalty(90, 30),
        "updates_per_rollout": 2,
    }
    assert {name: getattr(objective, name) for name in expected} == expected


def test_4_the_example_of_the_documentation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT.parent / "docs" / "losses.md").read_text(encoding="utf8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    config = tmp_path / "example.yaml"
    config.write_text(example, encoding="utf8")
    objective = objective_of(capsys, "grpo", "--config", str(config))
    assert objective.mismatch == MismatchWeight(MismatchRule.TOKEN_MASK)
    assert objective.overlong_penalty == OverlongPenalty(160, 32)
    written = yaml.safe_load(example)["model"]["init_args"]
    assert set(written) == set(signature(GRPOModule).parameters) - {
        "policy",
        "optimizer",
        "microbatch_tokens",
        "longest_row_tokens",
    }
    assert set(written["objective"]) == {field.name for field in fields(Objective)}
