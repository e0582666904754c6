"""As much of JSON Schema (draft 2020-12) as the schema of a record uses; a keyword it does not know is an error."""

import re
from collections.abc import Iterator

REMARKS = {"$schema", "$defs", "title", "description"}
TYPES = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "null": type(None)}
CHECKS = {
    "enum": lambda value, allowed: value in allowed,
    "pattern": lambda value, pattern: not isinstance(value, str) or re.search(pattern, value),
    "minLength": lambda value, least: not isinstance(value, str) or len(value) >= least,
    "minimum": lambda value, least: isinstance(value, bool) or not isinstance(value, int | float) or value >= least,
    "maximum": lambda value, most: isinstance(value, bool) or not isinstance(value, int | float) or value <= most,
    "maxItems": lambda value, most: not isinstance(value, list) or len(value) <= most,
    "minItems": lambda value, least: not isinstance(value, list) or len(value) >= least,
    "uniqueItems": lambda value, _: not isinstance(value, list) or all(value.count(item) == 1 for item in value),
    "required": lambda value, keys: not isinstance(value, dict) or set(keys) <= set(value),
}


def violations(value: object, schema: dict, root: dict | None = None, where: str = "record") -> Iterator[str]:
    """``PLACE: keyword`` for everything in the value that the schema does not allow."""
    root = schema if root is None else root
    for keyword, argument in schema.items():
        match keyword:
            case "$ref":
                assert argument.startswith("#/$defs/")
                yield from violations(value, root["$defs"][argument.removeprefix("#/$defs/")], root, where)
            case "allOf":
                for inner in argument:
                    yield from violations(value, inner, root, where)
            case "if":
                if not list(violations(value, argument, root, where)):
                    yield from violations(value, schema["then"], root, where)
            case "not":
                if not list(violations(value, argument, root, where)):
                    yield f"{where}: not"
            case "then":
                pass
            case "type":
                names = [argument] if isinstance(argument, str) else argument
                is_bool = isinstance(value, bool)
                if is_bool or not any(isinstance(value, TYPES[name]) for name in names):
                    yield f"{where}: type"
            case "properties" if isinstance(value, dict):
                for key in argument.keys() & value.keys():
                    place = key if where == "record" else f"{where}.{key}"
                    yield from violations(value[key], argument[key], root, place)
            case "additionalProperties" if isinstance(value, dict):
                assert argument is False
                if value.keys() - schema["properties"].keys():
                    yield f"{where}: additionalProperties"
            case "items" if isinstance(value, list):
                for index, item in enumerate(value):
                    yield from violations(item, argument, root, f"{where}[{index}]")
            case "properties" | "additionalProperties" | "items":
                pass
            case _ if keyword not in REMARKS:
                if not CHECKS[keyword](value, argument):
                    yield f"{where}: {keyword}"
