"""A suite's folder against its manifest: what was made, under which versions, and the hash of every cell.

Called by check.py. The hash that the manifest has of itself shows what was changed after it was written; that its seed
is the one that the tasks came from, only making the suite again can show.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lit_grpo.suite_checker.actions import GRAMMAR_VERSION
from lit_grpo.suite_checker.difficulty import SIZES
from lit_grpo.suite_checker.layout import DIFFICULTIES, GENERATOR_VERSION, KINDS
from lit_grpo.suite_checker.own_programs import listed_digests
from lit_grpo.suite_checker.strict_json import RecordError, read_object

MANIFEST = "suite.json"
KEYS = ("seed", "tasks_per_cell", "kinds", "difficulties", "size", "programs", "versions", "cells", "sha256")
"""The keys in this order; ``size`` only where the suite has one, ``programs`` only where it is made of a user's."""
OPTIONAL = ("size", "programs")
VERSIONS = ("rendering", "grammar", "generator", "verdict")
KNOWN = {"rendering": 1, "grammar": GRAMMAR_VERSION, "generator": GENERATOR_VERSION, "verdict": 2}
"""Versions that this checker was written for: a suite of others is not read either."""


def size_of(folder: Path) -> str | None:
    """The one size of a folder's suite; None if there is no manifest that says so."""
    try:
        size = read_object((folder / MANIFEST).read_text(encoding="utf-8"), "manifest").get("size")
    except (OSError, UnicodeDecodeError, RecordError):
        return None
    return size if isinstance(size, str) and size in SIZES else None


def manifest_failures(folder: Path) -> Iterator[str]:
    """What does not hold of a folder and its manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        yield "expected a manifest beside the cells, got none"
        return
    try:
        text = path.read_bytes().decode()
        document = read_object(text, "manifest")
    except (UnicodeDecodeError, RecordError) as error:
        yield str(error)
        return
    wrong = [*_shape_failures(document), *_settings_failures(document)] if _has_keys(document) else []
    if wrong or not _has_keys(document):
        yield from wrong or [f"expected the keys {', '.join(KEYS)}, got {', '.join(document)}"]
        return
    if text != json.dumps(document, indent=2) + "\n":
        yield "expected the manifest as it is written, got other white space or escapes"
    content = {key: value for key, value in document.items() if key != "sha256"}
    own = hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
    if document["sha256"] != own:
        yield f"expected the manifest's own sha256 {own}, got {document['sha256']}"
    yield from _folder_failures(folder, document)


def _has_keys(document: Mapping[str, Any]) -> bool:
    return list(document) == [key for key in KEYS if key not in OPTIONAL or key in document]


def _shape_failures(document: Mapping[str, Any]) -> Iterator[str]:
    for key in ("seed", "tasks_per_cell"):
        if type(document[key]) is not int or document[key] < (key == "tasks_per_cell"):
            yield f"expected {key} to be a whole number, got {document[key]!r:.80}"
    for key, known in (("kinds", KINDS), ("difficulties", DIFFICULTIES)):
        given = document[key]
        if not isinstance(given, list) or not given or given != [name for name in known if name in given]:
            yield f"expected {key} of {', '.join(known)}, each once and in this order, got {given!r:.80}"
    if "programs" in document and listed_digests(document["programs"]) is None:
        yield f"expected programs to be digests in order, three at least, got {document['programs']!r:.80}"
    versions = document["versions"]
    is_whole = isinstance(versions, dict) and all(type(v) is int and v >= 1 for v in versions.values())
    if not is_whole or list(versions) != list(VERSIONS):
        yield f"expected the versions {', '.join(VERSIONS)}, got {versions!r:.120}"
    cells = document["cells"]
    if not isinstance(cells, dict) or not all(isinstance(value, str) for value in cells.values()):
        yield f"expected cells to be file names with hashes, got {cells!r:.80}"


def _settings_failures(document: Mapping[str, Any]) -> Iterator[str]:
    size, versions = document.get("size"), document["versions"]
    if "size" in document and size not in SIZES:
        yield f"expected a size of {', '.join(SIZES)}, got {size!r:.80}"
    if "size" in document and "programs" in document:
        yield f"expected no size with programs of a user's own, got {size!r:.80}"
    if size == "tiny" and isinstance(document["kinds"], list) and not set(document["kinds"]) <= set("ABCD"):
        yield f"expected kinds A to D in tiny programs, got {', '.join(map(str, document['kinds']))}"
    for name, known in KNOWN.items():
        if isinstance(versions, dict) and versions.get(name) != known:
            yield f"expected {name} version {known}, which this checker knows, got {versions.get(name)}"


def _folder_failures(folder: Path, document: Mapping[str, Any]) -> Iterator[str]:
    """The cells are those of the settings, and each file is the one that was written."""
    expected = [f"{kind}_{difficulty}.jsonl" for kind in document["kinds"] for difficulty in document["difficulties"]]
    if list(document["cells"]) != sorted(expected):
        yield f"expected the cells {', '.join(sorted(expected))}, got {', '.join(document['cells']) or 'none'}"
    there = {path.name for path in folder.iterdir() if path.name.lower().endswith(".jsonl")}
    for name in sorted(there - set(expected)):
        yield f"expected no other .jsonl file than the cells, got {name}"
    for name in expected:
        if name not in there:
            yield f"expected the cell {name}, got no such file"
            continue
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != document["cells"].get(name):
            yield f"expected {name} as the manifest has its hash, got another file"
        num_lines = content.count(b"\n")
        if num_lines != document["tasks_per_cell"]:
            yield f"expected {document['tasks_per_cell']} records in {name}, got {num_lines} lines"
