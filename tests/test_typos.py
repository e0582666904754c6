"""A slip in a name or a value is answered in one line: where it stands, what was expected, what was got, what is near.

1. Values of a config: members of an enum, class names of Lightning's loggers, strategies and accelerators, a reward's
   key, a kind of fault.
2. A file that is no YAML, or no settings, is named, with the line.
3. Weights of kinds and difficulties, whoever takes them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_grpo.cli import main
from lit_grpo.data.curriculum.kind_pools import KindPools
from lit_grpo.data.curriculum.stages import Stage
from lit_grpo.data.task import TaskSettings

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
        ("--rollout.group_size=many", "rollout.group_size: Expected a <class 'int'>, got 'many'"),
    ],
)
def test_1_values(argument: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer([argument], tmp_path / "run", capsys) == f"lit-grpo: {expected}"


def test_2_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken, a_list = tmp_path / "broken.yaml", tmp_path / "list.yaml"
    broken.write_text("trainer:\n  max_epochs: 1\n model: x\n")
    a_list.write_text("- a\n- b\n")
    line = answer([f"--config={broken}"], tmp_path / "run", capsys)
    assert line.startswith(f"lit-grpo: {broken}, line 3: expected YAML, got ")
    line = answer([f"--config={a_list}"], tmp_path / "run", capsys)
    assert line.startswith(f"lit-grpo: {a_list}: expected settings as KEY: VALUE, got a list; ")


def test_3_weights() -> None:
    with pytest.raises(ValueError, match="of easy, medium, hard, got 'esay'; did you mean 'easy'"):
        TaskSettings(difficulties={"esay": 1.0})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"kinds with weights of A, B, .* got 'AB'"):
        Stage("one", difficulties={"easy": 1.0}, kinds={"AB": 1.0})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"kinds with weights of A, B, .* got 'Z'"):
        KindPools(kinds={"Z": 1.0})  # pyright: ignore[reportArgumentType]
