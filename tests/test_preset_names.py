"""Presets and shipped bases by name, from wherever a command is started.

1. A preset is named by its path below configs/, with or without ``.yaml``; a path to a file works as before.
2. The working folder goes before what is installed.
3. A name that is nowhere is refused in one line with the nearest one.
4. The shipped base is found by name as well: by a command, and by a policy and a tokenizer used without one.
"""

from pathlib import Path

import pytest

from lit_grpo.cli import main
from lit_grpo.data.dataset import load_conversation
from lit_grpo.modules.base import PolicySettings
from lit_grpo.presets import CONFIGS, TINY_BASE, find_checkpoint, find_preset, with_preset_paths

ROOT = Path(__file__).parents[1]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_installed_lies_at_the_top_of_a_checkout() -> None:
    assert (CONFIGS, TINY_BASE) == (ROOT / "configs", ROOT / "checkpoints" / "tiny-base")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("name", ["loss/dapo", "loss/dapo.yaml", "configs/loss/dapo", "configs/loss/dapo.yaml"])
def test_1_every_spelling_of_a_preset(name: str) -> None:
    assert find_preset(name) == ROOT / "configs" / "loss" / "dapo.yaml"


def test_1_a_file_of_ones_own(elsewhere: Path) -> None:
    mine = elsewhere / "mine.yml"
    mine.write_text("{}")
    assert find_preset("mine.yml") == Path("mine.yml")
    assert find_preset(str(mine)) == mine


def test_2_the_working_folder_goes_first(elsewhere: Path) -> None:
    (elsewhere / "configs" / "loss").mkdir(parents=True)
    (elsewhere / "configs" / "loss" / "dapo.yaml").write_text("{}")
    assert find_preset("loss/dapo") == Path("configs/loss/dapo.yaml")
    assert find_preset("loss/grpo") == ROOT / "configs" / "loss" / "grpo.yaml"
    (elsewhere / "checkpoints" / "tiny-base").mkdir(parents=True)
    assert find_checkpoint(Path("checkpoints/tiny-base")) == Path("checkpoints/tiny-base")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["fit", "--config", "base", "--seed", "1"],
            ["fit", "--config", "{base}", "--seed", "1"],
        ),
        (["--config=base"], ["--config={base}"]),
        (["-c", "base"], ["-c", "{base}"]),
        (["--data.config", "base"], ["--data.config", "base"]),
    ],
)
def test_words_of_a_command_line(words: list[str], expected: list[str]) -> None:
    assert with_preset_paths(words) == [word.format(base=ROOT / "configs" / "base.yaml") for word in expected]


def test_3_a_name_that_is_nowhere(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "configs").mkdir()
    (elsewhere / "configs" / "plant.yaml").write_text("{}")
    assert main(["fit", "--config", "base", "--config", "loss/dapoo"]) == 2
    assert capsys.readouterr().err == (
        "lit-grpo: --config: expected a file or a preset's path below configs/, got 'loss/dapoo'; "
        "did you mean 'loss/dapo'?\n"
    )
    with pytest.raises(FileNotFoundError, match="did you mean 'plant'"):
        find_preset("plantt.yaml")


@pytest.mark.usefixtures("elsewhere")
def test_3_a_checkpoint_that_is_nowhere() -> None:
    with pytest.raises(FileNotFoundError, match=r"got checkpoints/tiny_base.*did you mean 'checkpoints/tiny-base'\?"):
        PolicySettings(Path("checkpoints/tiny_base")).load()


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("name", ["checkpoints/tiny-base", "tiny-base"])
def test_4_the_shipped_base_is_found_by_name(name: str) -> None:
    assert PolicySettings(Path(name)).checkpoint == TINY_BASE
    assert load_conversation(Path(name)).stop_ids == load_conversation(TINY_BASE).stop_ids


@pytest.mark.usefixtures("elsewhere")
def test_4_a_command_from_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for name in ("base", "grpo", "model/tiny", "loss/dapo") for word in ("--config", name)]
    with pytest.raises(SystemExit) as ended:
        main(["fit", *words, "--print_config"])
    assert ended.value.code in (0, None)
    assert "checkpoint: checkpoints/tiny-base" in capsys.readouterr().out
