"""One-line explanations of what the config parser refuses: the whole path of a key, and the nearest known name.

Called by cli.py. The parser itself says neither where a nested key stands nor what it might have meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import takewhile
from typing import Any

import lightning.pytorch.callbacks
import lightning.pytorch.loggers
import lightning.pytorch.strategies
from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import Strategy, StrategyRegistry

from lit_grpo.config_classes import KINDS, find_class, parameters_of, settings_class
from lit_grpo.config_trees import config_trees
from lit_grpo.renamed_keys import RENAMED

REFUSED_KEY = re.compile(r"does not accept option|is not accepted|unrecognized arguments")
UNRECOGNIZED = re.compile(r"unrecognized arguments: (.*)")
REQUIRED = re.compile(r"the following arguments are required: (?:fit|validate|test|predict)\.(\w+)")
NO_SETTINGS = re.compile(r"Unable to load config '(.*)'")
NO_IMPORT_PATH = re.compile(r"Expected a dot import path string: (\w+)$", re.MULTILINE)
NOT_IMPORTED = re.compile(r"(module '([\w.]+)' has no attribute '\w+'|No module named '[\w.]+')")
PARSER_KEY = re.compile(r'Parser key "([\w.]+)"')
PARSER_KEY_LINE = re.compile(r'^Parser key "[\w.]+":\s*')
MEMBERS = re.compile(r"Expected a (?:member of <enum '\w+'>: \{([^}]*)\}|typing\.Literal\[([^\]]*)\])")
GIVEN = re.compile(r"(?:Got value|Given value): (.+)$", re.MULTILINE)
NESTED = re.compile(r"NestedArg\(key='([\w.]+)', val=(.*)\)$")
CLASS_GIVEN = re.compile(r"Namespace\(class_path='([\w.]+)'")
GOT_AT_END = re.compile(r"\. Got value: .+$")
KIND = re.compile(r"^Expected an? <class '(?:[\w.]+\.)?(\w+)'>")
NOISE = re.compile(
    r"^(Does not validate against any|Subtypes:|Errors:|Given value|Expected a path but|Not a valid subclass of"
    r"|Subclass types expect one of|Problem with given class_path|a class path \(str\)|a dict with)"
)
"""Lines of a message that say nothing to a user."""

ELSEWHERE = (
    "torch.optim.AdamW",
    "bitsandbytes.optim.AdamW8bit",
    "bitsandbytes.optim.PagedAdamW8bit",
)
"""Classes of other packages that a config may name, with their modules alone."""
EXTRAS = {"bitsandbytes": "bitsandbytes"}
"""Packages that an extra of this one installs."""

_CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")


def explain(
    message: str,
    arguments: Sequence[str],
    configurable: Iterable[type],
    top: Mapping[str, type | None],
    choices: Mapping[str, Sequence[str]],
) -> str:
    """One line for one refusal.

    Args:
        message: The parser's own, perhaps of many lines.
        arguments: The command line.
        configurable: Classes that a config may name without their module.
        top: Top-level keys, with the class that takes what is below them where it is always the same.
        choices: Keys for which fewer values work than the parser knows, with these.
    """
    classes = {cls.__name__: cls for cls in [*configurable, *_lightning_classes()]}
    if REFUSED_KEY.search(message):
        for key in unknown_keys(config_trees(arguments), classes, top):
            return key.explain()
    if (words := UNRECOGNIZED.search(message)) is not None:
        return f"expected every setting as --key value (--help lists the keys), got {words[1]}"
    if (absent := REQUIRED.search(message)) is not None:
        return f"{absent[1]}: expected a class_path with its init_args, got nothing; name a config that has it"
    path, got = _place(message)
    if (text := NO_SETTINGS.search(message)) is not None:
        return f"{path}: expected settings as {{KEY: VALUE}}, got {text[1]!r}"
    if (found := NO_IMPORT_PATH.search(message)) is not None:
        return _unknown_class(path, found[1], classes)
    if (missing := NOT_IMPORTED.search(message)) is not None:
        return _not_imported(path, got, missing[1])
    if members := [name.strip(" '") for found in MEMBERS.finditer(message) for name in _split(found)]:
        known = choices.get(path, members)
        return f"{path}: expected one of {', '.join(known)}, got {got!r}{_close(str(got), known)}"
    return _as_said(message, path, got)


def _place(message: str) -> tuple[str, str | None]:
    """The path of the key that a message is about, and the value that it was given; None where it does not say."""
    path = ".".join(dict.fromkeys(PARSER_KEY.findall(message)))
    given = GIVEN.findall(message)
    if not given:
        return path, None
    if (named := CLASS_GIVEN.match(given[-1])) is not None:
        return path, named[1]
    if (nested := NESTED.match(given[-1])) is None:
        return path, given[0]
    key, value = nested[1], nested[2]
    path = path if path.endswith(f".{key}") else f"{path}.{key}"
    return path, value.removeprefix("'").removesuffix("'")


def _split(found: re.Match[str]) -> list[str]:
    return (found[1] or found[2]).split(",")


def _kinds(lines: Iterable[str]) -> list[str]:
    """The types that lines of a message ask for."""
    return [found[1] for line in lines if (found := KIND.match(line)) is not None]


def _of_innermost_key(message: str) -> Iterator[str]:
    """The lines about the last key that is named; those of the keys around it may be null where it may not."""
    lines = message.splitlines()
    starts = [number for number, line in enumerate(lines) if PARSER_KEY.search(line)]
    if not starts:
        return
    depth = _depth(lines[starts[-1]])
    for line in takewhile(lambda line: _depth(line) > depth, lines[starts[-1] + 1 :]):
        yield line.strip().removeprefix("- ")


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def _as_said(message: str, path: str, got: str | None) -> str:
    """What the parser said itself, without what says nothing, and with the types in the words of a config."""
    lines = [PARSER_KEY_LINE.sub("", line.strip().removeprefix("- ")) for line in message.splitlines()]
    lines = [GOT_AT_END.sub("", line) for line in lines if line and not NOISE.match(line)]
    remarks = [line for line in dict.fromkeys(lines) if not KIND.match(line)]
    kinds = _kinds(_of_innermost_key(message)) or _kinds(lines)
    if remarks:
        said = " ".join(remarks)
    elif set(kinds) <= {"NoneType"}:
        said = "expected a class_path with its init_args"
    else:
        said = "expected " + " or ".join(dict.fromkeys(KINDS.get(kind, f"a class_path of {kind}") for kind in kinds))
    ending = "" if got is None or ", got " in said else f", got {got!r}"
    return f"{path}: {said}{ending}" if path else f"{said}{ending}"


def require_trainer_names(trainer: Mapping[str, Any]) -> None:
    """ValueError for a strategy or an accelerator by a name that nobody has, before anything is built."""
    known = {
        "strategy": {"auto", *StrategyRegistry.available_strategies()}
        | {cls.__name__ for cls in _lightning_classes() if issubclass(cls, Strategy)},
        "accelerator": {"auto", "gpu", *AcceleratorRegistry.available_accelerators()},
    }
    for key, names in known.items():
        name = trainer.get(key)
        if isinstance(name, str) and name not in names:
            raise ValueError(
                f"trainer.{key}: expected a known name or a class_path, got {name!r}{_nearest(name, names)}"
            )


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
        if isinstance(node, str) and node in self.classes:
            self.chosen[path] = self.classes[node]
        if not isinstance(node, dict):
            return
        if "class_path" in node or "init_args" in node:
            yield from (UnknownKey(f"{path}.{key}", _CLASS_KEYS) for key in node if key not in _CLASS_KEYS)
            if "class_path" in node:
                with suppress(ImportError):  # the parser says so
                    self.chosen[path] = find_class(str(node["class_path"]), self.classes)
            yield from self.below(node.get("init_args"), self.chosen.get(path), f"{path}.init_args")
            return
        cls = self.chosen.get(path) or settings_class(kind)
        known = {} if cls is None else parameters_of(cls)
        for key, value in node.items() if cls is not None else ():
            if key in known:
                yield from self.below(value, known[key], f"{path}.{key}")
            else:
                yield UnknownKey(f"{path}.{key}", known, cls.__name__ if cls is not None else "")


def _lightning_classes() -> Iterator[type]:
    for module in (lightning.pytorch.callbacks, lightning.pytorch.loggers, lightning.pytorch.strategies):
        yield from (value for value in vars(module).values() if isinstance(value, type))


def _unknown_class(path: str, name: str, own: Iterable[str]) -> str:
    elsewhere = {class_path.rpartition(".")[2]: class_path for class_path in ELSEWHERE}
    close = get_close_matches(name, sorted({*own, *elsewhere}), n=1, cutoff=0.5)
    found = close[0] if close else ""
    if found == name and name not in elsewhere:
        remark = ", which is of another kind"
    elif found:
        remark = f"; did you mean {elsewhere.get(found, found)!r}?"
    else:
        remark = "; name a class of another package with its module"
    return f"{path}: expected the class_path of a class that fits there, got {name!r}{remark}"


def _not_imported(path: str, got: str | None, why: str) -> str:
    package = str(got).partition(".")[0]
    near = _close(str(got), ELSEWHERE)
    if why == f"No module named '{package}'" and package in EXTRAS:
        near = f"; run `pip install 'lit-grpo[{EXTRAS[package]}]'`"
    return f"{path}: expected the class_path of a class that can be imported, got {got!r}: {why}{near}"


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return _close(name, names) or (f"; known are {', '.join(names)}" if names else "; there are none")


def _close(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5) or get_close_matches(name.upper(), known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
