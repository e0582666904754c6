"""One-line explanations of what the config parser refuses: the whole path of a key, and the nearest known name.

Called by cli.py. The parser itself says neither where a nested key stands nor what it might have meant.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from inspect import signature
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import lightning.pytorch.callbacks
import lightning.pytorch.loggers
import lightning.pytorch.strategies
import yaml
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import Strategy, StrategyRegistry

from lit_grpo.presets import find_preset
from lit_grpo.renamed_keys import RENAMED

REFUSED_KEY = re.compile(r"does not accept option|is not accepted|unrecognized arguments")
UNRECOGNIZED = re.compile(r"unrecognized arguments: (.*)")
UNKNOWN_CLASS = re.compile(r"Expected a dot import path string: (\w+)$", re.MULTILINE)
PARSER_KEY = re.compile(r'Parser key "([\w.]+)"')
PARSER_KEY_LINE = re.compile(r'^Parser key "[\w.]+":\s*')
MEMBER = re.compile(r"Expected a member of <enum '\w+'>: \{([^}]*)\}")
GIVEN = re.compile(r"(?:Got value|Given value): (.+)$", re.MULTILINE)
GOT_AT_END = re.compile(r"\. Got value: .+$")
CONFIG_FILE = re.compile(r"Problems parsing config|Unexpected config")
NOISE = re.compile(
    r"^(Does not validate against any|Subtypes:|Errors:|Given value|Expected a <class 'NoneType'>"
    r"|Not a valid subclass of|Subclass types expect one of|a class path \(str\)|a dict with)"
)
"""Lines of a message that say nothing to a user."""

_OPTIONS = ("--help", "--print_config")
"""Options that are no settings."""
_CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")


def explain(
    message: str, arguments: Sequence[str], configurable: Iterable[type], top: Mapping[str, type | None]
) -> str:
    """One line for one refusal.

    Args:
        message: The parser's own, perhaps of many lines.
        arguments: The command line.
        configurable: Classes that a config may name without their module.
        top: Top-level keys, with the class that takes what is below them where it is always the same.
    """
    if REFUSED_KEY.search(message):
        classes = {cls.__name__: cls for cls in [*configurable, *_lightning_classes()]}
        for key in unknown_keys(_trees(arguments), classes, top):
            return key.explain()
    if CONFIG_FILE.match(message) and (broken := _broken_file(arguments)):
        return broken
    if (words := UNRECOGNIZED.search(message)) is not None:
        return f"expected every setting as --key value (--help lists the keys), got {words[1]}"
    if (found := UNKNOWN_CLASS.search(message)) is not None:
        own = {cls.__name__ for cls in [*configurable, *_lightning_classes()]}
        return _unknown_class(".".join(PARSER_KEY.findall(message)), found[1], own)
    path, value = ".".join(PARSER_KEY.findall(message)), GIVEN.search(message)
    if (member := MEMBER.search(message)) is not None and value is not None:
        names = member[1].split(",")
        close = get_close_matches(value[1].upper(), names, n=1, cutoff=0.5)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{path}: expected one of {', '.join(names)}, got {value[1]!r}{hint}"
    lines = [PARSER_KEY_LINE.sub("", line.strip().removeprefix("- ")) for line in message.splitlines()]
    said = " ".join(line for line in lines if line and not NOISE.search(line))
    said = GOT_AT_END.sub("", said)
    got = "" if value is None or value[1] in said else f", got {value[1]!r}"
    return f"{path}: {said}{got}" if path else said


def require_trainer_names(trainer: Mapping[str, Any]) -> None:
    """ValueError for a strategy or an accelerator by a name that nobody has, before anything is built."""
    known = {
        "strategy": {"auto", *StrategyRegistry.available_strategies()},
        "accelerator": {"auto", "gpu", *AcceleratorRegistry.available_accelerators()},
    }
    classes = {"strategy": {cls.__name__ for cls in _lightning_classes() if issubclass(cls, Strategy)}}
    for key, names in known.items():
        name = trainer.get(key)
        if isinstance(name, str) and name not in names:
            nearest = _nearest(name, names | classes.get(key, set()))
            raise ValueError(f"trainer.{key}: expected a known name or a class_path, got {name!r}{nearest}")


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """A key that nothing takes."""

    path: str
    """The dotted path from the top."""
    known: Iterable[str]
    """The keys that are taken there."""
    owner: str = ""
    """Name of the class that was to take it; empty at the top."""

    def explain(self) -> str:
        """One line with the key's present name, or with the nearest known one."""
        name = self.path.rpartition(".")[2]
        if (now := RENAMED.get(f"{self.owner}.{name}")) is not None:
            return f"{self.path}: expected {now}, which is what this setting is called now, got {name!r}"
        return f"{self.path}: expected a known key, got {name!r}{_nearest(name, self.known)}"


def unknown_keys(
    trees: Iterable[Any], classes: Mapping[str, type], top: Mapping[str, type | None]
) -> Iterator[UnknownKey]:
    """Every key that nothing takes, in configs that come in the order in which they override each other."""
    search = _Search(classes)
    for tree in trees:
        for key, node in tree.items() if isinstance(tree, dict) else ():
            if key not in top:
                yield UnknownKey(key, top)
            else:
                yield from search.below(node, top[key], key)


@dataclass(frozen=True, slots=True)
class _Search:
    classes: Mapping[str, type]
    """Classes that a config may name without their module."""
    chosen: dict[str, type | None] = field(default_factory=dict)
    """Path to the class that a config named there: a later config may go on without naming it again."""

    def below(self, node: Any, kind: Any, path: str) -> Iterator[UnknownKey]:
        if isinstance(node, list):
            for number, item in enumerate(node):
                yield from self.below(item, None, f"{path}[{number}]")
        if not isinstance(node, dict):
            return
        if "class_path" in node or "init_args" in node:
            yield from (UnknownKey(f"{path}.{key}", _CLASS_KEYS) for key in node if key not in _CLASS_KEYS)
            if "class_path" in node:
                self.chosen[path] = find_class(str(node["class_path"]), self.classes)
            yield from self.below(node.get("init_args"), self.chosen.get(path), f"{path}.init_args")
            return
        cls = self.chosen.get(path) or _settings_class(kind)
        known = {} if cls is None else _parameters(cls)
        for key, value in node.items() if cls is not None else ():
            if key in known:
                yield from self.below(value, known[key], f"{path}.{key}")
            else:
                yield UnknownKey(f"{path}.{key}", known, cls.__name__ if cls is not None else "")


def _settings_class(kind: Any) -> type | None:
    """The class of an annotation that keys can stand below; None for others."""
    for cls in get_args(kind) if get_origin(kind) in (Union, UnionType) else [kind]:
        if isinstance(cls, type) and get_origin(cls) is None and cls.__module__ != "builtins":
            return cls
    return None


def _parameters(cls: type) -> dict[str, Any]:
    """The parameters of a class, with the annotation of each, or with the narrower class that it has by default."""
    hints = get_type_hints(cls.__init__)
    factories = {item.name: item.default_factory for item in fields(cls)} if is_dataclass(cls) else {}
    kinds = {name: hints.get(name) for name in signature(cls).parameters}
    for name, factory in factories.items():
        base = _settings_class(kinds.get(name))
        if base is not None and isinstance(factory, type) and issubclass(factory, base):
            kinds[name] = factory
    return kinds


def find_class(class_path: str, classes: Mapping[str, type]) -> type | None:
    """A class by its import path, or by its name among ``classes``; None if there is none."""
    if "." not in class_path:
        return classes.get(class_path)
    module, _, name = class_path.rpartition(".")
    return vars(importlib.import_module(module)).get(name)


def _broken_file(arguments: Sequence[str]) -> str | None:
    """What is wrong with the first config that is no YAML with settings, in one line; None if all are."""
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name not in ("--config", "-c"):
            continue
        path = find_preset(value or arguments[position + 1])
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.MarkedYAMLError as error:
            place = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
            return f"{path}{place}: expected YAML, got {error.problem}; check indentation, colons and quotes there"
        if content is not None and not isinstance(content, dict):
            kind = type(content).__name__
            return f"{path}: expected settings as KEY: VALUE, got a {kind}; a config begins with keys such as trainer"
    return None


def _trees(arguments: Sequence[str]) -> list[Any]:
    """The configs named on a command line, and a tree of the keys given on it."""
    configs: list[dict[str, Any]] = []
    keys: list[str] = []
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name in ("--config", "-c"):
            path = find_preset(value or arguments[position + 1])
            configs.append(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        elif name.startswith("--") and name not in _OPTIONS and not name.endswith(".help"):
            keys.append(name[2:].removesuffix("+"))
    return [*configs, *(_tree(key, configs) for key in keys)]


def _tree(key: str, configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A key such as ``model.optimizer.learning_rate`` as the config that would set it."""
    first, *rest = [part for part in key.split(".") if part != "init_args"]
    return {first: _branch(rest, [config[first] for config in configs if first in config])}


def _branch(parts: Sequence[str], nodes: Sequence[Any]) -> dict[str, Any] | None:
    """The tree below a key, given what the configs have there: a class's arguments where the last of them names one."""
    trees = [node for node in nodes if isinstance(node, dict)]
    if not parts:
        return None
    name, *rest = parts
    class_path = next((tree["class_path"] for tree in reversed(trees) if "class_path" in tree), None)
    inside = [tree if class_path is None else tree.get("init_args") or {} for tree in trees]
    branch: dict[str, Any] = {name: _branch(rest, [tree[name] for tree in inside if name in tree])}
    return branch if class_path is None else {"class_path": class_path, "init_args": branch}


def _lightning_classes() -> Iterator[type]:
    for module in (lightning.pytorch.callbacks, lightning.pytorch.loggers, lightning.pytorch.strategies):
        yield from (value for value in vars(module).values() if isinstance(value, type))


def _unknown_class(path: str, name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else "name a class of another package with its module"
    remark = ", which is of another kind" if name in close else f"; {hint}"
    return f"{path}: expected the class_path of a class that fits there, got {name!r}{remark}"


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(names)}"
