"""The configs of a command line as trees: those in files, and what each key on it would be in one.

Called by cli.py before anything is parsed, to refuse files that hold no settings, and by config_errors.py.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lit_grpo.presets import find_preset

_OPTIONS = ("--help", "--print_config")
"""Options that are no settings."""
_CLASS_KEYS = ("class_path", "init_args")


def require_settings(arguments: Sequence[str], sections: Collection[str], classes: Collection[str]) -> None:
    """Refuse configs that hold no settings, before a parser meets them.

    Args:
        arguments: The command line.
        sections: Top-level keys that are nothing but settings.
        classes: Top-level keys that are a class with its arguments.

    Raises:
        ValueError: A file is no YAML in UTF-8, or it or a top-level key in it holds something else than settings.
    """
    for path in _files(arguments):
        tree = read_config(path)
        for key, node in tree.items():
            if key in sections and not isinstance(node, dict):
                raise ValueError(
                    f"{path}: expected settings below {key} as KEY: VALUE, got {_kind(node)}; indent them below "
                    f"{key}, without dashes, or leave {key} out"
                )
            if key in classes and not isinstance(node, dict | str):
                raise ValueError(
                    f"{path}: expected {key} as class_path and init_args, got {_kind(node)}; write both below {key}, "
                    "without dashes"
                )


def read_config(path: Path) -> dict[str, Any]:
    """The settings of a file; ValueError with its path, and the line where there is one, if it holds none."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected text in UTF-8, got the byte 0x{error.object[error.start]:02x} at position "
            f"{error.start}; save it as UTF-8"
        ) from error
    except yaml.MarkedYAMLError as error:
        place = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise ValueError(
            f"{path}{place}: expected YAML, got {error.problem}; check indentation, colons and quotes there"
        ) from error
    except yaml.YAMLError as error:
        raise ValueError(
            f"{path}: expected YAML, got {str(error).splitlines()[0]}; write it again with a text editor"
        ) from error
    except OSError as error:
        raise ValueError(f"{path}: expected a config that can be read, got {error.strerror}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(
            f"{path}: expected settings as KEY: VALUE, got {_kind(content)}; a config begins with keys such as trainer"
        )
    return {str(key): value for key, value in content.items()}


def config_trees(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """The configs named on a command line, and a tree of each key given on it."""
    configs = [read_config(path) for path in _files(arguments)]
    return [*configs, *(_tree(key, value, configs) for key, value in _settings(arguments))]


def with_nulls(arguments: Sequence[str], classes: Collection[str]) -> list[str]:
    """The words of a command line, with null understood below a class.

    The parser hands a value there on in Python's words, where null is ``None``, which its own parser then takes for a
    text. So ``--model.policy.lora.r=null`` is written as ``--model={"policy": {"lora": {"r": null}}}``, which sets the
    same and nothing else.

    Args:
        arguments: The words.
        classes: Top-level keys that are a class with its arguments.
    """
    words: list[str] = []
    for word in arguments:
        before = words[-1] if words else ""
        is_value = before.startswith("--") and "=" not in before and not word.startswith("--")
        key, _, text = (before, "=", word) if is_value else word.partition("=")
        first, *rest = key.removeprefix("--").split(".")
        if first in classes and rest and text.strip() and _holds_null(value := _value(text)):
            words = words[:-1] if is_value else words
            word = f"--{first}={json.dumps(_nested(rest, value))}"
        words.append(word)
    return words


def _files(arguments: Sequence[str]) -> Iterator[Path]:
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name in ("--config", "-c") and (equals or position + 1 < len(arguments)):
            yield find_preset(value if equals else arguments[position + 1])


def _settings(arguments: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Every key on a command line with its value, which is None where there is none."""
    for position, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if not name.startswith("--") or name in ("--config", *_OPTIONS) or name.endswith(".help"):
            continue
        follows = arguments[position + 1] if position + 1 < len(arguments) else "--"
        text = value if equals else None if follows.startswith("--") else follows
        yield name[2:].removesuffix("+"), None if text is None else _value(text)


def _nested(parts: Sequence[str], value: Any) -> Any:
    """``{a: {b: VALUE}}`` for the parts ``a`` and ``b``."""
    for part in reversed(parts):
        value = {part: value}
    return value


def _holds_null(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_holds_null, value.values() if isinstance(value, dict) else value))
    return value is None


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _tree(key: str, value: Any, configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A key such as ``model.optimizer.learning_rate`` with its value as the config that would set it."""
    first, *rest = [part for part in key.split(".") if part != "init_args"]
    return {first: _branch(rest, value, [config[first] for config in configs if first in config])}


def _branch(parts: Sequence[str], value: Any, nodes: Sequence[Any]) -> Any:
    """The tree below a key, given what the configs have there: a class's arguments where the last of them names one."""
    trees = [node for node in nodes if isinstance(node, dict)]
    class_path = next((tree["class_path"] for tree in reversed(trees) if "class_path" in tree), None)
    if parts:
        name, *rest = parts
        inside = [tree if class_path is None else tree.get("init_args") or {} for tree in trees]
        value = {name: _branch(rest, value, [tree[name] for tree in inside if name in tree])}
    names_class = not isinstance(value, dict) or not value.keys().isdisjoint(_CLASS_KEYS)
    return value if class_path is None or names_class else {"class_path": class_path, "init_args": value}


def _kind(node: Any) -> str:
    names = {list: "a list", str: "a text", type(None): "nothing", dict: "settings", bool: "true or false"}
    return names.get(type(node), f"the {type(node).__name__} {node}")
