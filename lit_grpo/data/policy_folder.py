"""The folder of a policy: whole weights, or adapters as peft writes them, and then the base that they belong to.

Asked by whoever reads a policy: modules/policy.py for its weights, data/conversation.py and data/dataset.py for its
tokenizer. Nothing is ever fetched by its name on a hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from lit_grpo.data.digests import weights_digest
from lit_grpo.data.json_values import object_of, read_object
from lit_grpo.presets import find_checkpoint

ADAPTER_CONFIG = "adapter_config.json"
"""The file by which a folder of adapters is known."""
TRAINED_ON = "lit_grpo_base.json"
"""The file beside adapters that says which base they were trained on, and how it was quantised; peft's own has no room
for either."""
_BASE_DIGEST = "base_digest"


def holds_adapters(folder: Path) -> bool:
    """Whether the folder has adapters, and not whole weights."""
    return (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file()


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """The object in ``adapter_config.json``; ValueError if it holds none."""
    return _read(folder / ADAPTER_CONFIG)


def trained_on(folder: Path) -> dict[str, Any] | None:
    """How the base was quantised while the adapters in a folder were trained; None if it was not, or nobody says."""
    stored = _record(folder).get("quantization")
    return None if stored is None else object_of(stored, f"quantization in {folder / TRAINED_ON}")


def write_trained_on(folder: Path, base: Path, quantization: Mapping[str, object] | None) -> None:
    """Write `TRAINED_ON` beside adapters.

    Args:
        folder: The adapters' folder.
        base: The folder of the base that they were trained on.
        quantization: How it was quantised; None: it was not.
    """
    record = {_BASE_DIGEST: weights_digest(base), "quantization": quantization}
    (folder / TRAINED_ON).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def require_own_base(folder: Path, base: Path) -> None:
    """ValueError if the adapters in a folder say that they were trained on other weights than those in ``base``."""
    expected = _record(folder).get(_BASE_DIGEST) if holds_adapters(folder) else None
    if expected is not None and expected != (got := weights_digest(base)):
        raise ValueError(
            f"model.policy.base: expected the base that the adapters in {folder} were trained on, weights of digest "
            f"{expected}, got {base}, weights of digest {got}; name its folder with --model.policy.base, or, if these "
            f"are the same weights saved anew, take {_BASE_DIGEST} out of {TRAINED_ON} there"
        )


def base_folder(folder: Path, base: Path | None = None) -> Path:
    """The folder with the whole weights of a policy: itself, or, of adapters, that of their base.

    Args:
        folder: The policy's folder.
        base: The folder of the base; None: the one that ``adapter_config.json`` names, as a path from here, from the
            adapters' folder, or below ``checkpoints``.

    Raises:
        ValueError: A base was given for whole weights, or the adapters' base is not to be found.
    """
    if not holds_adapters(folder):
        if base is not None:
            raise ValueError(
                f"model.policy.base: expected it with a checkpoint of adapters alone, got {base} for {folder}, which "
                f"has no {ADAPTER_CONFIG} of its own; leave it out"
            )
        return folder
    named = read_adapter_config(folder).get("base_model_name_or_path")
    places = [base] if base is not None else _places(folder, named)
    found = next((place for place in map(find_checkpoint, places) if (place / "config.json").is_file()), None)
    if found is None:
        raise ValueError(
            f"model.policy.base: expected the folder of the base below the adapters in {folder}, got "
            f"{base or named}, which has no config.json here; name its folder with --model.policy.base"
        )
    return found


def tokenizer_folder(folder: Path, base: Path | None = None) -> Path:
    """The folder of a policy's tokenizer: its own, or, of adapters without one (as peft writes them), their base's.

    Args:
        folder: The policy's folder.
        base: The folder of the base; None: the one that the adapters name, as for `base_folder`.

    Raises:
        ValueError: The adapters' base is not to be found.
    """
    if holds_adapters(folder) and not (folder / "tokenizer_config.json").is_file():
        return base_folder(folder, base)
    return folder


def read_tokenizer(folder: Path, base: Path | None = None) -> PreTrainedTokenizerBase:
    """The tokenizer of a policy's folder, found as `tokenizer_folder` does; ValueError if it cannot be read."""
    own = tokenizer_folder(folder, base)
    try:
        return AutoTokenizer.from_pretrained(own)
    except Exception as error:  # the library below raises nothing narrower
        raise ValueError(
            f"{own}: expected a tokenizer that transformers can read, got: {str(error).splitlines()[0]}; fetch or "
            "export it again"
        ) from error


def _places(folder: Path, named: object) -> list[Path]:
    if not isinstance(named, str) or not named:
        return []
    return [Path(named), folder / named, Path(Path(named).name)]


def _record(folder: Path) -> dict[str, Any]:
    """What is written beside adapters; empty where nobody has written anything."""
    path = folder / TRAINED_ON
    return _read(path) if path.is_file() else {}


def _read(path: Path) -> dict[str, Any]:
    return read_object(path, "export the policy again")
