"""Imports point one way, and importing the package pulls no optional engine.

1. Each part imports only the parts below it: environment <- data, rewards <- rollout <- modules <- cli, experiments
   <- commands. The checker of suites imports no other part at all.
2. The environment needs no torch and no language model; tensor functions need torch only.
3. Nothing is a drawer for leftovers (utils, common, helpers).
4. Every module imports without vllm and trl. (bitsandbytes, where it is installed, is imported by peft.)
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "lit_grpo"
MODULES = sorted(PACKAGE.rglob("*.py"))

TENSOR_PARTS = {"advantages", "dtypes", "logprobs", "losses", "packing"}
BELOW_ROLLOUT = TENSOR_PARTS | {
    "presets",
    "seeds",
    "writing",
    "environment",
    "data",
    "rewards",
    "metrics",
    "checkpoint_reading",
    "checkpointing",
}
BELOW_MODULES = BELOW_ROLLOUT | {"engines", "rollout"}
EVERYTHING = BELOW_MODULES | {"modules", "reports"}
ALLOWED: dict[str, set[str]] = {
    "environment": set(),
    "advantages": set(),
    "dtypes": set(),
    "logprobs": set(),
    "losses": {"advantages"},
    "packing": set(),
    "presets": set(),
    "writing": set(),
    "seeds": set(),
    "sharded_checkpoint": set(),
    "checkpoint_reading": {"sharded_checkpoint"},
    "checkpointing": {"checkpoint_reading", "seeds", "sharded_checkpoint", "writing"},
    "explain": {"environment"},
    "rewards": {"environment"},
    "data": {"environment", "packing", "presets", "seeds"},
    "metrics": {"advantages", "environment", "data", "writing"},
    "reports": {"environment", "metrics"},
    "engines": {"data", "dtypes"},
    "rollout": BELOW_ROLLOUT | {"engines"},
    "modules": BELOW_MODULES,
    "repair": BELOW_MODULES | {"explain"},
    "adapters": BELOW_MODULES,
    "fitting": EVERYTHING,
    "callbacks": EVERYTHING | {"explain", "repair", "fitting"},
    "renamed_keys": set(),
    "config_trees": {"presets"},
    "config_classes": set(),
    "config_values": {"config_classes", "seeds"},
    "config_errors": {"config_classes", "config_trees", "renamed_keys"},
    "shared_settings": EVERYTHING | {"callbacks", "config_classes"},
    "trainer_arguments": {"checkpointing"},
    "run_arguments": {"callbacks", "checkpointing", "fitting", "trainer_arguments", "writing"},
    "cli": EVERYTHING
    | {"repair", "fitting", "callbacks", "config_errors", "config_trees", "config_values", "run_arguments"}
    | {"shared_settings", "trainer_arguments"},
    "suite_checker": set(),
    "experiments": EVERYTHING | {"repair", "fitting", "callbacks", "cli"},
    "commands": EVERYTHING | {"explain", "repair", "callbacks", "cli", "experiments", "suite_checker"},
    "__main__": {"commands"},
}
"""Part of the package -> the other parts it may import. A new part has to be given its place here."""

ROOMS: dict[str, set[str]] = {
    "programs": set(),
    "solver": {"programs"},
    "domains": {"programs"},
    "faults": {"programs", "solver", "domains"},
    "episodes": {"programs", "solver", "faults"},
    "repairs": {"programs", "solver"},
    "policies": {"programs", "solver", "faults", "episodes", "repairs"},
}
"""Room of the environment -> the other rooms it may import."""

OPTIONAL = ("vllm", "trl")
INSIDE = {"lit_grpo/engines/vllm/draws.py": "vllm"}
"""Modules that an optional engine imports itself: a class of theirs extends one of its."""


def part_of(path: Path) -> str:
    """``losses`` for lit_grpo/losses/base.py, ``cli`` for lit_grpo/cli.py, empty for lit_grpo/__init__.py."""
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if name == "__init__" else name


def imported_names(path: Path) -> Iterator[str]:
    """Dotted names of all modules that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; the absolute name says where a thing lives"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def relative(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_every_part_has_its_place() -> None:
    new = {part_of(path) for path in MODULES} - ALLOWED.keys() - {""}
    assert not new, "give it a place in the order of imports (ALLOWED)"
    assert ALLOWED.keys() <= {part_of(path) for path in MODULES}, "ALLOWED has a part that is gone"


def test_a_part_imports_only_what_is_below_it() -> None:
    above = {}
    for path in MODULES:
        part = part_of(path)
        ours = {name.split(".")[1] for name in imported_names(path) if name.startswith("lit_grpo.")}
        above[relative(path)] = sorted(ours - ALLOWED.get(part, set()) - {part})
    assert not {path: parts for path, parts in above.items() if parts}


def test_a_room_of_the_environment_imports_only_what_is_below_it() -> None:
    above = []
    for path in (PACKAGE / "environment").rglob("*.py"):
        room, *rest = path.relative_to(PACKAGE / "environment").parts
        if rest:
            used = {name.split(".")[2] for name in imported_names(path) if name.startswith("lit_grpo.environment.")}
            used -= {"protocol"}  # what an environment is to whoever plays it: below all rooms, and imports none
            above += [f"{relative(path)}: {other}" for other in used - ROOMS[room] - {room}]
    assert not above


def test_tensor_functions_depend_on_torch_only() -> None:
    others = {
        relative(path): {name.split(".")[0] for name in imported_names(path)}
        - sys.stdlib_module_names
        - {"torch", "lit_grpo"}
        for path in MODULES
        if part_of(path) in TENSOR_PARTS
    }
    assert {part_of(PACKAGE / path) for path in others} == TENSOR_PARTS
    assert not {path: names for path, names in others.items() if names}


def test_no_module_is_a_drawer_for_leftovers() -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "misc"}
    assert not [relative(path) for path in MODULES if drawers & {part.removesuffix(".py") for part in path.parts}]


def modules_after_importing(names: list[str]) -> set[str]:
    """Top-level modules that are loaded in a fresh process after importing ``names``."""
    lines = [f"import {name}" for name in names]
    code = "\n".join(["import sys", *lines, "print(*sorted({name.split('.')[0] for name in sys.modules}))"])
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.splitlines()[-1].split())


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_the_environment_needs_neither_torch_nor_a_language_model() -> None:
    environment = [dotted(path) for path in MODULES if part_of(path) == "environment"]
    loaded = modules_after_importing(environment)
    assert "lit_grpo" in loaded
    assert not loaded & {"torch", "lightning", "transformers", "tokenizers"}


def test_explaining_needs_no_torch() -> None:
    explain = [dotted(path) for path in MODULES if part_of(path) == "explain"]
    loaded = modules_after_importing([*explain, "lit_grpo.commands.explain"])
    assert not loaded & {"torch", "lightning", "transformers", "matplotlib", "jsonargparse"}


def test_every_module_imports_without_the_optional_engines() -> None:
    outside = [path for path in MODULES if str(path.relative_to(PACKAGE.parent)) not in INSIDE]
    assert len(MODULES) - len(outside) == len(INSIDE)
    loaded = modules_after_importing([dotted(path) for path in outside])
    assert "torch" in loaded
    assert not loaded & set(OPTIONAL)


def test_the_bare_package_is_light() -> None:
    assert "torch" not in modules_after_importing(["lit_grpo"])


def test_the_program_starts_without_what_takes_long_to_import() -> None:
    loaded = modules_after_importing(["lit_grpo.commands.main"])
    assert not loaded & {"torch", "lightning", "transformers", "matplotlib", "vllm"}
