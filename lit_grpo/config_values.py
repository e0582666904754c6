"""What a parsed config may not hold, though the parser takes it: null where a value belongs, a seed out of range.

Called by cli.py before anything is built. Within settings that may be left out as a whole the parser takes null for any
of their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature
from types import NoneType
from typing import Any, get_args

from lit_grpo.config_classes import find_class, in_words, parameters_of, settings_class
from lit_grpo.seeds import require_seed


def require_values(config: Mapping[str, Any], top: Mapping[str, type | None]) -> None:
    """ValueError for a null where none belongs, and for a seed that is out of range.

    Args:
        config: The parsed config of a command, as plain dicts and lists.
        top: Top-level keys, with the class that takes what is below them where it is always the same.
    """
    require_seed(config["seed_everything"], "seed_everything")
    for key, node in config.items():
        _require_below(node, top.get(key), key)


def _require_below(node: Any, kind: Any, path: str) -> None:
    """ValueError for a null, at any depth, where the annotation has none and the default is another value.

    Args:
        node: A key's value in the parsed config, as plain dicts and lists.
        kind: What the key is annotated with; None where the value names its class.
        path: The key.
    """
    if isinstance(node, list):
        for number, item in enumerate(node):
            _require_below(item, None, f"{path}[{number}]")
    if not isinstance(node, dict):
        return
    if "class_path" in node:
        cls, values = find_class(node["class_path"], {}), node.get("init_args") or {}
    else:
        cls, values = settings_class(kind), node
    if cls is None:
        return
    kinds, arguments = parameters_of(cls), signature(cls).parameters
    for name, value in values.items():
        if name not in kinds:
            continue
        place = f"{path}.{name}"
        if value is None and not _may_be_null(kinds[name], arguments[name]):
            raise ValueError(
                f"{place}: expected {in_words(kinds[name])}, got null; give it one, or leave the key out for its "
                "default"
            )
        _require_below(value, kinds[name], place)


def _may_be_null(kind: Any, argument: Parameter) -> bool:
    """Whether null is among an argument's values, by its annotation or as its default, or it has to be given anyway."""
    return kind in (None, Any) or NoneType in get_args(kind) or argument.default in (None, Parameter.empty)
