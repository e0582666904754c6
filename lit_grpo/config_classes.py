"""The classes that a config names, and what they take, by their annotations.

Called by config_errors.py, config_values.py and shared_settings.py.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from inspect import signature
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "list": "a list",
    "tuple": "a list",
    "dict": "KEY: VALUE",
    "NoneType": "null",
}
"""What the types are in a config that a message may ask for; every other one is a class."""


def settings_class(kind: Any) -> type | None:
    """The class of an annotation that keys can stand below; None for others."""
    for cls in get_args(kind) if get_origin(kind) in (Union, UnionType) else [kind]:
        if isinstance(cls, type) and get_origin(cls) is None and cls.__module__ != "builtins":
            return cls
    return None


def parameters_of(cls: type) -> dict[str, Any]:
    """The parameters of a class, with the annotation of each, or with the narrower class that it has by default."""
    hints: dict[str, Any] = {}
    with suppress(NameError):  # a library's annotation of a type that it imports for checkers alone
        hints = get_type_hints(cls.__init__)
    factories = {item.name: item.default_factory for item in fields(cls)} if is_dataclass(cls) else {}
    kinds = {name: hints.get(name) for name in signature(cls).parameters}
    for name, factory in factories.items():
        base = settings_class(kinds.get(name))
        if base is not None and isinstance(factory, type) and issubclass(factory, base):
            kinds[name] = factory
    return kinds


def find_class(class_path: str, classes: Mapping[str, type]) -> type | None:
    """A class by its import path, or by its name among ``classes``; None if there is none."""
    if "." not in class_path:
        return classes.get(class_path)
    module, _, name = class_path.rpartition(".")
    return vars(importlib.import_module(module)).get(name)


def in_words(kind: Any) -> str:
    """What an annotation takes beside null, in the words of a config."""
    kinds = [one for one in get_args(kind) if one is not NoneType] if get_origin(kind) in (Union, UnionType) else [kind]
    return " or ".join(dict.fromkeys(map(_one_in_words, kinds)))


def _one_in_words(kind: Any) -> str:
    cls = get_origin(kind) or kind
    if not isinstance(cls, type):
        return "a value"
    if issubclass(cls, Enum):
        return f"one of {', '.join(member.name for member in cls)}"
    return KINDS.get(cls.__name__, "KEY: VALUE, or a class_path with its init_args")
