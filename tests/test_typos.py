"""A slip in a name or a value is answered in one line: where it stands, what was expected, what was got, what is near.

1. Values of a config: members of an enum, choices, numbers, class names of Lightning's loggers, strategies and
   accelerators, a reward's key, a kind of fault; a key in braces; arguments of the Trainer that cannot work here.
2. A file that is no YAML in UTF-8, or no settings, is named, with the line.
3. Weights of kinds and difficulties, whoever takes them.
4. null is null wherever a key stands.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lit_grpo.cli import OF_CLASSES, main
from lit_grpo.config_trees import require_settings, with_nulls
from lit_grpo.data.curriculum.kind_pools import KindPools
from lit_grpo.data.curriculum.stages import Stage
from lit_grpo.data.task import TaskSettings
from lit_grpo.shared_settings import SECTIONS
from lit_grpo.trainer_arguments import strategy_names

COMMAND = ("fit", "--config", "base", "--config", "grpo", "--config", "model/tiny")


def answer(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*COMMAND, f"--trainer.default_root_dir={folder}", *arguments]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Seed set")]
    return line


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        (
            "--episode.style=COMPAT",
            "episode.style: expected one of FULL, COMPACT, got 'COMPAT'; did you mean 'COMPACT'?",
        ),
        (
            "--data.tasks.size=TINNY",
            "data.tasks.size: expected one of TINY, SMALL, MEDIUM, LARGE, got 'TINNY'; did you mean 'TINY'?",
        ),
        (
            "--model.objective.reduction=TOKEN_MEN",
            "model.objective.reduction: expected one of TOKEN_MEAN, SEQUENCE_MEAN, CONSTANT_LENGTH, SEQUENCE_SUM, "
            "PROMPT_MEAN, got 'TOKEN_MEN'; did you mean 'TOKEN_MEAN'?",
        ),
        (
            "--trainer.logger=CSVLoger",
            "trainer.logger: expected the class_path of a class that fits there, got 'CSVLoger'; did you mean "
            "'CSVLogger'?",
        ),
        (
            "--trainer.strategy=dpp",
            "trainer.strategy: expected a known name or a class_path, got 'dpp'; did you mean 'ddp'?",
        ),
        (
            "--trainer.strategy=ModelParalelStrategy",
            "trainer.strategy: expected a known name or a class_path, got 'ModelParalelStrategy'; did you mean "
            "'ModelParallelStrategy'?",
        ),
        (
            "--trainer.accelerator=gpux",
            "trainer.accelerator: expected a known name or a class_path, got 'gpux'; did you mean 'gpu'?",
        ),
        (
            "--rollout.reward.outcom=1",
            "rollout.reward.outcom: expected a known key, got 'outcom'; did you mean 'outcome'?",
        ),
        (
            "--data.tasks.kinds={Z: 1}",
            "expected data.tasks.kinds with weights of A, B, C, D, E, F, G, H, I, got 'Z'",
        ),
        ("--rollout.group_size=many", "rollout.group_size: expected a whole number, got 'many'"),
        (
            "--model.optimizer.matrix_learning_rate=many",
            "model.optimizer.matrix_learning_rate: expected a number or null, got 'many'",
        ),
        ("--seed_everything=-1", "seed_everything: expected a seed from 0 to 4294967295, got -1"),
        (
            "--trainer.precision=bf16-mixe",
            "trainer.precision: expected one of 32-true, bf16-mixed, bf16-true, 64-true, got 'bf16-mixe'; did you mean "
            "'bf16-mixed'?",
        ),
        (
            "--model.policy.dtype=float",
            "model.policy.dtype: expected one of float32, bfloat16, got 'float'; did you mean 'float32'?",
        ),
        (
            "--model.optimizer={learning_rat: 1}",
            "model.init_args.optimizer.learning_rat: expected a known key, got 'learning_rat'; did you mean "
            "'learning_rate'?",
        ),
        (
            "--rollout={sampling: {temprature: 1}}",
            "rollout.sampling.temprature: expected a known key, got 'temprature'; did you mean 'temperature'?",
        ),
        ("--rollout.sampling=3", "rollout.sampling: expected settings as {KEY: VALUE}, got '3'"),
        (
            "--trainer.callbacks+={class_path: EarlyStopping, init_args: {monitr: x}}",
            "trainer.callbacks.init_args.monitr: expected a known key, got 'monitr'; did you mean 'monitor'?",
        ),
        (
            "--trainer.logger={class_path: CSVLogger, init_args: {save_dir: x, nme: y}}",
            "trainer.logger.init_args.nme: expected a known key, got 'nme'; did you mean 'name'?",
        ),
        (
            "--model.optimizer.adamw=AdamW8bit",
            "model.optimizer.adamw: expected the class_path of a class that fits there, got 'AdamW8bit'; did you mean "
            "'bitsandbytes.optim.AdamW8bit'?",
        ),
        (
            "--model.optimizer.adamw=torch.optim.Adm",
            "model.optimizer.adamw: expected the class_path of a class that can be imported, got 'torch.optim.Adm': "
            "module 'torch.optim' has no attribute 'Adm'; did you mean 'torch.optim.AdamW'?",
        ),
        (
            "--model.policy.lora.r=null",
            "model.policy.lora.r: expected a whole number, got null; give it one, or leave the key out for its default",
        ),
        (
            "--model.optimizer.learning_rate=null",
            "model.optimizer.learning_rate: expected a number, got null; give it one, or leave the key out for its "
            "default",
        ),
        (
            "--model.objective.loss={class_path: ClippedLoss, init_args: {clip_low: null}}",
            "model.objective.loss.clip_low: expected a number, got null; give it one, or leave the key out for its "
            "default",
        ),
        ("--model=[1]", "model: expected a class_path with its init_args, got '[1]'"),
        (
            "--ckpt_path=hpc",
            "--ckpt_path: expected a checkpoint, got hpc, which does not exist; leave it out to start a run",
        ),
    ],
)
def test_1_values(argument: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer([argument], tmp_path / "run", capsys) == f"lit-grpo: {expected}"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        *(
            (
                f"strategy={name}",
                f"trainer.strategy: expected auto, ddp or class_path: AtomicModelParallelStrategy, got '{name}'; ",
            )
            for name in ("fsdp", "fsdp_cpu_offload", "ddp_spawn", "ddp_fork", "ddp_notebook", "deepspeed", "xla")
        ),
        (
            "strategy={class_path: DDPStrategy, init_args: {start_method: spawn}}",
            "trainer.strategy: expected auto, ddp or class_path: AtomicModelParallelStrategy, got DDPStrategy; ",
        ),
        ("devices=foo", "trainer.devices: expected auto, a number of devices from 1 on, -1 for all, or a list of "),
        ("devices=[a]", "trainer.devices: expected auto, a number of devices from 1 on, -1 for all, or a list of "),
        ("num_nodes=0", "trainer: expected arguments that work on this machine and together, got num_nodes 0: "),
        ("devices=1,2", "trainer: expected arguments that work on this machine and together, got devices 1,2: "),
    ],
)
def test_1_the_trainer(argument: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--trainer.accelerator=cpu", f"--trainer.{argument}"]
    assert answer(arguments, tmp_path / "run", capsys).startswith(f"lit-grpo: {expected}")
    assert not (tmp_path / "run").exists()


def test_1_names_of_strategies_that_work() -> None:
    assert {"ddp", "single_device", "ddp_find_unused_parameters_true"} <= strategy_names()
    assert not {name for name in strategy_names() if "spawn" in name or "fork" in name or "fsdp" in name}


def test_2_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, a_list = tmp_path / "broken.yaml", tmp_path / "list.yaml"
    broken.write_text("trainer:\n  max_epochs: 1\n model: x\n")
    a_list.write_text("- a\n- b\n")
    line = answer([f"--config={broken}"], tmp_path / "run", capsys)
    assert line.startswith(f"lit-grpo: {broken}, line 3: expected YAML, got ")
    line = answer([f"--config={a_list}"], tmp_path / "run", capsys)
    assert line.startswith(f"lit-grpo: {a_list}: expected settings as KEY: VALUE, got a list; ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"trainer:\n  max_epochs: 1\x00\n", "expected YAML, got "),
        ("# na\u00efve\n".encode("latin1"), "expected text in UTF-8, got the byte 0xef at position 4; "),
        ("trainer: {}\n".encode("utf16"), "expected text in UTF-8, got the byte 0xff at position 0; "),
        (b"trainer:\n  - max_epochs: 1\n", "expected settings below trainer as KEY: VALUE, got a list; "),
        (b"trainer:\n", "expected settings below trainer as KEY: VALUE, got nothing; "),
        (b"rollout: 3\n", "expected settings below rollout as KEY: VALUE, got the int 3; "),
        (b"model:\n  - a\n", "expected model as class_path and init_args, got a list; "),
    ],
)
def test_2_what_is_no_config(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {expected}")):
        require_settings(["fit", "--config", str(path)], ("trainer", *SECTIONS), OF_CLASSES)


def test_4_null() -> None:
    words = ["fit", "--config", "base", "--model.optimizer.gradient_clip=null", "--model.policy.lora", "{r: null}"]
    assert with_nulls(words, OF_CLASSES) == [
        *words[:3],
        '--model={"optimizer": {"gradient_clip": null}}',
        '--model={"policy": {"lora": {"r": null}}}',
    ]
    others = ["fit", "--trainer.max_epochs=null", "--model.optimizer.betas=[0.9, 0.5]", "--model.name=", "--model=null"]
    assert with_nulls(others, OF_CLASSES) == others


def test_3_weights() -> None:
    with pytest.raises(ValueError, match="of easy, medium, hard, got 'esay'; did you mean 'easy'"):
        TaskSettings(difficulties={"esay": 1.0})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"kinds with weights of A, B, .* got 'AB'"):
        Stage("one", difficulties={"easy": 1.0}, kinds={"AB": 1.0})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"kinds with weights of A, B, .* got 'Z'"):
        KindPools(kinds={"Z": 1.0})  # pyright: ignore[reportArgumentType]
