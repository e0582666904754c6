"""An export is found to be possible before training, and is whole or not there.

1. A `generation_config.json` that transformers reads and does not write again is refused when the fit is set up, in one
   line that names the file; so is a folder that cannot be made.
2. An export that fails leaves the one before, and no half.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lit_grpo.callbacks import export
from lit_grpo.callbacks.export import ExportPolicy, save_policy
from lit_grpo.data.contract import CONTRACT_FILE
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.fitting.export_check import require_exportable
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.sft import SFTModule
from lit_grpo.writing import NotWritten


def module_of(checkpoint: Path) -> SFTModule:
    return SFTModule(PolicySettings(checkpoint), OptimizerSettings())


class Fit:
    """As much of a trainer as `setup` looks at."""

    def __init__(self, folder: Path) -> None:
        self.default_root_dir, self.fast_dev_run = str(folder), 0


@pytest.fixture
def refused_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A temperature without sampling: read with a warning, and not written again."""
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "model"))
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "temperature": 0.7, "do_sample": False}))
    return folder


def test_what_is_not_written_again(refused_checkpoint: Path, tmp_path: Path) -> None:
    arguments: Any = (Fit(tmp_path / "run"), module_of(refused_checkpoint), "fit")
    with pytest.raises(
        ValueError, match=r"generation_config\.json: expected a file that can be written again"
    ) as error:
        ExportPolicy().setup(*arguments)
    assert "temperature" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_folder_that_cannot_be(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(NotWritten, match=r"file/policy: expected a place to write to"):
        require_exportable(PolicySettings(tiny_checkpoint), tmp_path / "file" / "policy")
    require_exportable(PolicySettings(tiny_checkpoint), tmp_path / "run" / "policy")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_failing_export_leaves_the_one_before(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, folder = module_of(tiny_checkpoint), tmp_path / "policy"
    save_policy(module, {}, folder)
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "tokenizer.json", CONTRACT_FILE} <= names

    def full(folder: Path, demonstration_seed: int | None, level: SpecificationLevel | None) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "write_contract", full)
    with pytest.raises(NotWritten, match=r"policy: expected a place to write to, got: No space left on device"):
        save_policy(module, {}, folder)
    assert {path.name for path in folder.iterdir()} == names
    monkeypatch.undo()
    save_policy(module, {}, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["policy"]
