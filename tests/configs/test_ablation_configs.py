"""The configs of configs/ablation/: each changes what its name says, at the study's settings and on the CPU.

1. Each parses over configs/base.yaml alone, and resolves in the composition of its header to the study's settings.
2. Each differs from the arm below it in what its name says, and in nothing else.
3. On the CPU only the model, its rates and the sizes change: an ablation differs from `no_kl` in the same settings.
4. What the study reported as the same is the same; what it reported under a name is not the method of that name.
"""

from __future__ import annotations

import contextlib
import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_grpo.cli import main

ROOT = Path(__file__).parents[2] / "configs"
NAMES = ("baseline", "no_kl", "asym_clip", "dynamic", "token_loss")
ALL = (*NAMES, *(f"{name}_as_reported" for name in NAMES))
FOLDER = "trainer.default_root_dir"


def resolved(names: tuple[str, ...]) -> dict[str, Any]:
    """Dotted key to value of `--print_config`."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), pytest.raises(SystemExit) as ended:
        main(["fit", *(f"--config={ROOT / name}" for name in names), "--print_config"])
    assert ended.value.code == 0
    return dict(flattened(yaml.safe_load(output.getvalue()), ""))


def flattened(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [pair for key, part in value.items() for pair in flattened(part, f"{prefix}{key}.")]
    return [(prefix[:-1], value)]


@cache
def of_header(name: str, *, on_cpu: bool = False) -> dict[str, Any]:
    text = (ROOT / "ablation" / f"{name}.yaml").read_text(encoding="utf-8")
    header = " ".join(line[1:] for line in text.splitlines() if line.startswith("#"))
    named = tuple(re.findall(r"--config configs/(\S+)", header))
    if on_cpu:
        extra = tuple(path for path in ("ablation/cpu_" + name + ".yaml",) if (ROOT / path).is_file())
        named = (*(path for path in named if not path.startswith("model/")), "ablation/cpu.yaml", *extra)
    return resolved(named)


def changes(name: str, base: str, *, on_cpu: bool = False) -> dict[str, Any]:
    """What resolves differently, run folders aside."""
    one, other = of_header(name, on_cpu=on_cpu), of_header(base, on_cpu=on_cpu)
    keys = {key for key in {*one, *other} if one.get(key) != other.get(key)} - {FOLDER}
    return {key: one.get(key) for key in keys}


MODEL, OBJECTIVE = "model.init_args.", "model.init_args.objective."
CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "no_kl": ("baseline", {OBJECTIVE + "kl_beta": 0.0}),
    "asym_clip": ("no_kl", {OBJECTIVE + "loss.init_args.clip_high": 0.28}),
    "dynamic": ("no_kl", {"rollout.dynamic_sampling.max_rounds": 2}),
    "token_loss": ("no_kl", {OBJECTIVE + "reduction": "TOKEN_MEAN", OBJECTIVE + "overlong_filter": True}),
    "baseline_as_reported": ("baseline", {}),
    "no_kl_as_reported": ("no_kl", {}),
    "dynamic_as_reported": ("no_kl", {"rollout.sampling.temperature": 1.0}),
    "token_loss_as_reported": ("no_kl", {MODEL + "optimizer.gradient_clip": 0.5}),
}


@pytest.mark.parametrize("name", ALL)
def test_1_parses_over_base_alone(name: str) -> None:
    assert resolved(("base.yaml", f"ablation/{name}.yaml"))["model.class_path"].endswith("GRPOModule")


@pytest.mark.parametrize("name", ALL)
def test_1_the_studys_settings(name: str) -> None:
    found = of_header(name)
    expected = {
        "trainer.max_epochs": 2,
        "rollout.group_size": 4,
        MODEL + "optimizer.learning_rate": 1e-5,
        MODEL + "policy.lora.r": 16,
        MODEL + "policy.lora.alpha": 32.0,
        MODEL + "policy.checkpoint": "checkpoints/qwen3_8b",
        OBJECTIVE + "loss.init_args.clip_low": 0.2,
        OBJECTIVE + "updates_per_rollout": 4,
        OBJECTIVE + "advantage": "GROUP",
        "data.init_args.tasks.kinds.D": 1.0,
    }
    assert {key: found[key] for key in expected} == expected
    assert found["rollout.sampling.temperature"] == (1.0 if name == "dynamic_as_reported" else 0.7)
    assert found[OBJECTIVE + "kl_beta"] == (1e-3 if name.startswith("baseline") else 0.0)


@pytest.mark.parametrize("on_cpu", [False, True])
@pytest.mark.parametrize("name", CHANGES)
def test_2_and_3_what_each_changes(name: str, on_cpu: bool) -> None:
    base, expected = CHANGES[name]
    if on_cpu and name == "dynamic_as_reported":
        # The study's factor 1.0 / 0.7 on the CPU's 1.3.
        expected = {"rollout.sampling.temperature": pytest.approx(1.3 / 0.7, abs=1e-3)}
    assert changes(name, base, on_cpu=on_cpu) == expected


def test_3_the_cpu_changes_model_rates_and_sizes() -> None:
    study, cpu = of_header("baseline"), of_header("baseline", on_cpu=True)
    differing = {key for key in {*study, *cpu} if study.get(key) != cpu.get(key)}
    groups = (
        "trainer.(accelerator|devices|val_check_interval)$",
        "episode.style$",
        "rollout.(group_size|max_turns|sampling.temperature|sampling.max_completion_tokens)$",
        r"model.init_args.(policy|optimizer|microbatch_tokens)\b",
        r"data.init_args.(tasks.size|held_out.num_validation_tasks|num_tasks|batches_per_epoch)$",
    )
    assert not [key for key in differing if not any(re.match(group, key) for group in groups)]
    assert cpu["trainer.max_epochs"] * cpu["data.init_args.batches_per_epoch"] == 100


def test_4_x_1_4_is_a_matter_of_the_reward() -> None:
    found = changes("asym_clip_as_reported", "no_kl")
    assert all(key.startswith("rollout.reward.") for key in found)
    assert found["rollout.reward.class_path"].endswith("HybridReward")
    assert found["rollout.reward.init_args.positive_factor"] == 1.4
    counterpart = changes("asym_clip_as_reported", "study_reward")
    assert counterpart == {"rollout.reward.init_args.positive_factor": 1.4}
