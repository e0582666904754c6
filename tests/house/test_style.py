"""What no file of this project contains, whoever wrote it. Types and docstrings of functions are ruff's business.

1. No probing (hasattr, getattr with a default), no eval or exec, no pickle, no swallowed exception, nothing left open.
2. A file of the package, a script or an example has at most 300 lines, a function at most 60.
3. Every Python file opens with what it is for.
4. No path of a machine and no host of a package registry.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("lit_grpo", "scripts", "examples", "tests", "configs", "docs", ".ci", ".github")
TEXT_SUFFIXES = {"", ".py", ".sh", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".jsonl", ".cfg"}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60

# Written in pieces, so that this file does not contain what it looks for.
OPEN_ENDS = re.compile("|".join(("NotImplemented" + "Error", r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b", r"\bXX" + r"X\b")))
PLACES = re.compile(
    "|".join(
        (
            r"(?<![\w.-])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me|fa" + r"rm|Us" + r"ers)/",
            r"py" + r"pi\.org",
            r"files\.python" + r"hosted",
            r"registry\.n" + r"pmjs",
            r"download\.py" + r"torch\.org",
            r"deb\.deb" + r"ian",
        )
    )
)


def text_files() -> list[Path]:
    """Every text file that is meant for the repository."""
    nested = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    files = [path for path in [*ROOT.iterdir(), *nested] if path.is_file() and path.suffix in TEXT_SUFFIXES]
    return sorted(path for path in files if "__pycache__" not in path.parts and path.name != ".git")


TEXT_FILES = text_files()
PYTHON_FILES = [path for path in TEXT_FILES if path.suffix == ".py"]
SHIPPED = ("lit_grpo", "scripts", "examples")
SHIPPED_FILES = [path for path in PYTHON_FILES if path.relative_to(ROOT).parts[0] in SHIPPED]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"))


KNOWS_PICKLE = {
    "lit_grpo/checkpoint_reading.py": "says what was refused",
    "lit_grpo/sharded_checkpoint.py": "refuses",
    "tests/end_to_end/test_strategies.py": "attacks",
    "tests/engines/vllm/test_server_wire.py": "attacks",
}
"""Files that deal with a format that is pickled, and what they do to it."""


def offences(tree: ast.AST, may_import: frozenset[str] = frozenset()) -> Iterator[str]:
    """Descriptions of what must not stand in a file."""
    for node in ast.walk(tree):
        found = None
        if isinstance(node, ast.Call):
            found = _forbidden_call(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found = _forbidden_import(node, may_import)
        elif isinstance(node, ast.ExceptHandler):
            found = _swallowed_exception(node)
        if found and isinstance(node, ast.Call | ast.stmt | ast.ExceptHandler):
            yield f"line {node.lineno}: {found}"


def _forbidden_call(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Name):
        if call.func.id in ("hasattr", "eval", "exec"):
            return f"{call.func.id}()"
        if call.func.id == "getattr" and len(call.args) == 3:
            return "getattr() with a default"
    for keyword in call.keywords:
        if keyword.arg == "weights_only" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False:
            return "weights_only=False unpickles"
    return None


def _forbidden_import(node: ast.Import | ast.ImportFrom, may_import: frozenset[str]) -> str | None:
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    unsafe = {"pickle", "dill", "cloudpickle", "marshal", "shelve"} & {
        name.split(".")[0] for name in names
    } - may_import
    return f"imports {', '.join(sorted(unsafe))}" if unsafe else None


def _swallowed_exception(handler: ast.ExceptHandler) -> str | None:
    if handler.type is None:
        return "bare except"
    broad = isinstance(handler.type, ast.Name) and handler.type.id in ("Exception", "BaseException")
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    return "a broad except that raises nothing" if broad and not raises else None


def test_nothing_forbidden() -> None:
    found = []
    for path in PYTHON_FILES:
        may_import = frozenset({"pickle"} if relative(path) in KNOWS_PICKLE else ())
        found += [f"{relative(path)}, {offence}" for offence in offences(parsed(path), may_import)]
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "hasattr(x, 'y')",
        "getattr(x, 'y', None)",
        "eval('1')",
        "exec('1')",
        "import pickle",
        "from pickle import loads",
        "torch.load(p, weights_only=False)",
        "try:\n    f()\nexcept:\n    raise",
        "try:\n    f()\nexcept Exception:\n    pass",
    ],
)
def test_the_check_itself_finds_each_offence(source: str) -> None:
    assert len(list(offences(ast.parse(source)))) == 1


def test_the_check_itself_lets_honest_code_pass() -> None:
    honest = "model.eval()\ngetattr(x, name)\ntry:\n    f()\nexcept Exception as e:\n    raise ValueError from e"
    assert not list(offences(ast.parse(honest)))


def functions_with_lengths(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Name and number of lines of every function, nested ones and methods as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def test_files_are_short() -> None:
    lengths = {relative(path): path.read_text(encoding="utf8").count("\n") for path in SHIPPED_FILES}
    assert not {name: length for name, length in lengths.items() if length > MAX_FILE_LINES}


def test_functions_are_short() -> None:
    assert not [
        f"{relative(path)}: {name} has {length} lines"
        for path in SHIPPED_FILES
        for name, length in functions_with_lengths(parsed(path))
        if length > MAX_FUNCTION_LINES
    ]


def test_lengths_count_first_and_last_line_and_find_methods() -> None:
    source = "class A:\n    def f(self):\n        x = 1\n        return x\n\nasync def g():\n    pass"
    assert dict(functions_with_lengths(ast.parse(source))) == {"f": 3, "g": 2}


def test_every_file_opens_with_what_it_is_for() -> None:
    assert not [relative(path) for path in PYTHON_FILES if not ast.get_docstring(parsed(path))]


def test_nothing_is_left_open_and_no_machine_is_named() -> None:
    assert not [
        f"{relative(path)}: {match.group()}"
        for path in TEXT_FILES
        for pattern in (OPEN_ENDS, PLACES)
        for match in pattern.finditer(path.read_text(encoding="utf8"))
    ]


def test_no_two_test_files_share_a_name() -> None:
    """Folders of tests are no packages, so that pytest imports each file by its name alone."""
    names = [path.name for path in PYTHON_FILES if path.name.startswith("test_")]
    assert not {name for name in names if names.count(name) > 1}
