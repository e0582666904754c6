"""The examples run as they stand.

1. plain_python.py loads no torch and no language model, prints the observation, and ends with reward 1.
2. plain_python.py prints the same for a seed, and another task for another seed.
3. grpo_with_trl.py takes a step with TRL.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

UNDER_WATCH = """
import runpy, sys
sys.argv = ["plain_python.py", *sys.argv[1:]]
runpy.run_path("examples/plain_python.py", run_name="__main__")
print("loaded:", *sorted({"torch", "lightning", "transformers", "trl"} & set(sys.modules)))
"""


def output_of(*arguments: str) -> str:
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_plain_example_needs_only_the_environment() -> None:
    lines = output_of("-c", UNDER_WATCH).splitlines()
    assert lines[0] == "The solver reports: infeasible."
    assert lines[-2] == "recovered: faithful True, F1 1.00, reward 1.00"
    assert lines[-1] == "loaded:"


def test_the_plain_example_is_a_function_of_the_seed() -> None:
    first, again, other = (output_of("-c", UNDER_WATCH, "--seed", seed) for seed in ("1", "1", "2"))
    assert first == again != other


def test_the_example_with_trl(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="not installed: pip install -c constraints.txt -e '.[trl]'")
    printed = output_of("examples/grpo_with_trl.py", "--steps", "1", "--output", str(tmp_path))
    assert "'verified': '1'" in printed
