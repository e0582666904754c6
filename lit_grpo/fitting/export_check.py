"""What would end an export, found before training: files that are not written again, a folder that cannot be.

Called by ExportPolicy when a fit is set up. All that an export writes beside the weights is written aside, once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from transformers import AutoConfig, GenerationConfig

from lit_grpo.data.policy_folder import read_tokenizer
from lit_grpo.modules.base import PolicySettings
from lit_grpo.writing import writing

GENERATION = "generation_config.json"


def require_exportable(settings: PolicySettings, folder: Path) -> None:
    """Write aside what an export writes beside the weights. Every rank may call it.

    Args:
        settings: The policy that is going to be exported.
        folder: The directory that it is going to be exported to.

    Raises:
        ValueError: A file would not be written; says which, and why.
    """
    weights = settings.weights_folder
    if not weights.is_dir():
        return  # said where the policy is read
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder.parent, prefix=".export"):
            pass
    with tempfile.TemporaryDirectory() as aside:
        _write_again(weights / "config.json", lambda: AutoConfig.from_pretrained(weights).save_pretrained(aside))
        if (weights / GENERATION).is_file():
            _write_again(weights / GENERATION, lambda: GenerationConfig.from_pretrained(weights).save_pretrained(aside))
        tokenizer = read_tokenizer(settings.checkpoint, settings.base)
        _write_again(Path(tokenizer.name_or_path), lambda: tokenizer.save_pretrained(aside))


def _write_again(path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except (ValueError, TypeError, KeyError, OSError) as error:
        reason = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        raise ValueError(
            f"{path}: expected a file that can be written again when the policy is exported, got one that transformers "
            f"refuses: {reason}; correct it first"
        ) from error
