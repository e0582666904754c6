"""The wheel, away from the repository.

1. It holds every module, every preset, the shipped policies and the marker of types, and nothing else of the
   repository.
2. Installed into a fresh environment, everything it requires is there, and nothing comes from the checkout.
3. From any folder a command finds presets and the shipped base by name, and an arm of the quickstart's smoke run, which
   scripts/test.sh makes with all arms, is trained, tested and reported.

Downloading torch and the rest again would take minutes and 1.5 GB. The fresh environment is therefore shown the
distributions of the project's own environment, which have the versions of constraints.txt, by a line in a ``.pth``
file. The project itself is not among them: an editable install is a hook that only the environment's own start-up runs.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = tuple(f"checkpoints/{name}" for name in ("tiny-base", "small-base", "small-sft-matched", "small-sft-grpo"))
BUILT_FROM = ("lit_grpo", "configs", *SHIPPED, "pyproject.toml", "setup.py", "README.md", "LICENSE")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with nothing of this process's Python in its environment; it has to succeed."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    environment = {**outer, "PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INDEX": "1"}
    result = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the sources, so that nothing of an earlier build is in it."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, sources)
    pip = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    run(*pip, sources, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_1_what_the_wheel_holds(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    mapped = {name: f"lit_grpo/{name}" for name in ("configs", *SHIPPED)}
    mapped["lit_grpo"] = "lit_grpo"
    expected = {
        f"{inside}/{path.relative_to(ROOT / source).as_posix()}"
        for source, inside in mapped.items()
        for path in (ROOT / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in held if ".dist-info/" not in name} == expected
    assert {"lit_grpo/py.typed", "lit_grpo/configs/loss/dapo.yaml"} <= expected


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "environment", cwd=folder)
    # The wheel first: what pip finds installed already, it does not install.
    pip = (sys.executable, "-m", "pip", "--python", folder / "environment" / "bin" / "python")
    run(*pip, "install", "--no-deps", wheel, cwd=folder)
    (packages,) = (folder / "environment").glob("lib/python3*/site-packages")
    (packages / "project.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "environment"


def test_2_whatever_it_requires_is_there(fresh: Path, tmp_path: Path) -> None:
    code = (
        "from importlib.metadata import requires, version; from packaging.requirements import Requirement;"
        "needed = [r for r in map(Requirement, requires('lit-grpo')) if r.marker is None];"
        "print(len(needed), [str(r) for r in needed if not r.specifier.contains(version(r.name))])"
    )
    count, missing = run(fresh / "bin" / "python", "-c", code, cwd=tmp_path).stdout.split(maxsplit=1)
    assert int(count) >= 15
    assert missing.strip() == "[]"


def test_2_nothing_comes_from_the_checkout(fresh: Path, tmp_path: Path) -> None:
    code = (
        "import lit_grpo, sys; from lit_grpo.presets import CONFIGS, SMALL_BASE, TINY_BASE;"
        "print(lit_grpo.__file__, CONFIGS, TINY_BASE, SMALL_BASE, *sys.path, sep='\\n')"
    )
    module, configs, tiny, small, *places = run(fresh / "bin" / "python", "-c", code, cwd=tmp_path).stdout.splitlines()
    assert fresh in Path(module).parents
    assert Path(configs) == Path(module).parent / "configs"
    assert Path(tiny) == Path(module).parent / "checkpoints" / "tiny-base"
    assert (Path(small) / "model.safetensors").is_file()
    assert str(ROOT) not in places


def test_3_presets_by_name_from_any_folder(fresh: Path, tmp_path: Path) -> None:
    configs = ("--config", "base", "--config", "grpo", "--config", "model/tiny", "--config=loss/dapo.yaml")
    printed = run(fresh / "bin" / "lit-grpo", "fit", *configs, "--print_config", cwd=tmp_path).stdout
    assert re.search(r"^\s+checkpoint: checkpoints/tiny-base$", printed, re.MULTILINE)


def test_3_the_quickstart_runs(fresh: Path, tmp_path: Path) -> None:
    run(fresh / "bin" / "lit-grpo", "quickstart", "--smoke", "--arms", "sft", "--output", "out", cwd=tmp_path)
    assert (tmp_path / "out" / "report.md").is_file()
    assert [arm.name for arm in (tmp_path / "out" / "arms").iterdir()] == ["sft"]
