"""A language model read from safetensors weights, every one of its weights or none.

Called by modules/policy.py, modules/quantization.py and modules/sharding.py. Left to itself, transformers fills weights
that the files lack with random numbers, leaves out those that the config does not know of, and warns.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel


def read_model(folder: Path, config: PreTrainedConfig, **arguments: Any) -> PreTrainedModel:
    """The model in a folder.

    Args:
        folder: Folder with safetensors weights.
        config: The model's config, as it is in that folder.
        arguments: More of transformers' ``from_pretrained``: the dtype, how it is quantised.

    Raises:
        ValueError: There are no weights, one of their files is cut short, or they are not those that the config
            describes, by their names or their shapes.
    """
    require_whole_weights(folder)
    try:
        # With what was found: its stub knows of the model alone.
        read: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # or it raises with a table
            output_loading_info=True,
            **arguments,
        )
    except OSError as error:
        raise ValueError(f"checkpoint: expected safetensors weights beside config.json in {folder}") from error
    model, found = read
    for name, stored, expected in sorted(found["mismatched_keys"]):
        raise ValueError(
            f"checkpoint: expected {name} of shape {tuple(expected)}, as config.json says, got {tuple(stored)} in the "
            f"safetensors weights of {folder}; fetch or export both again"
        )
    require_names(found["missing_keys"], found["unexpected_keys"], folder)
    return model


def require_names(missing: Collection[str], unexpected: Collection[str], folder: Path) -> None:
    """ValueError if weights lack what the config describes, or have what it does not.

    Args:
        missing: Names of the weights that the files lack.
        unexpected: Names of the weights that the model has no place for.
        folder: Where they lie, for the error.
    """
    if missing:
        raise ValueError(
            f"checkpoint: expected {_first(missing)} in the safetensors weights beside config.json in {folder}, got "
            "none; fetch or export both again"
        )
    if unexpected:
        raise ValueError(
            f"checkpoint: expected the weights that config.json describes in {folder}, got {_first(unexpected)} as "
            "well, which that model has no place for; fetch or export both again"
        )


def require_whole_weights(folder: Path) -> None:
    """ValueError for a file of safetensors weights that is cut short or is none. Only its header is read."""
    for path in sorted(folder.glob("model*.safetensors")):
        try:
            with safe_open(path, framework="pt"):
                pass
        except (OSError, SafetensorError) as error:
            raise ValueError(
                f"{path}: expected whole safetensors weights, got a file that cannot be read: {error}; fetch or export "
                "it again"
            ) from error


def _first(names: Collection[str]) -> str:
    more = len(names) - 1
    return f"{min(names)} and {more} more" if more else min(names)
