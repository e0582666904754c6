"""Set-up and checks as a user meets them.

1. Every shell script parses; continuous integration runs what a developer runs.
2. setup.sh says clearly that Python is too old, installs once, and again only when a requirement changed.
3. Weights are fetched once, never over something else, and an error says what to do.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELL_SCRIPTS = [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"]


def shell(script: Path, cwd: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run(
        [bash, script, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("script", SHELL_SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_parse_and_stop_at_errors(script: Path) -> None:
    subprocess.run(["bash", "-n", script], check=True)
    assert "set -euo pipefail" in script.read_text()


def test_continuous_integration_runs_the_tests() -> None:
    run = ROOT / ".ci" / "run"
    assert os.access(run, os.X_OK)
    assert "scripts/test.sh" in run.read_text()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with setup.sh and requirements, and nothing installed."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "scripts" / "setup.sh", tmp_path / "scripts")
    for name in ("pyproject.toml", "constraints.txt", "constraints-vllm.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "bin" / "dirname").symlink_to(str(shutil.which("dirname")))
    return tmp_path


def executable(path: Path, text: str) -> None:
    path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
    path.chmod(0o755)


def test_an_old_python_is_refused_in_plain_words(project: Path) -> None:
    executable(project / "bin" / "python3", 'case $* in --version) echo "Python 3.9.2";; *) exit 1;; esac')
    result = shell(project / "scripts" / "setup.sh", project, PATH=str(project / "bin"))
    assert result.returncode == 1
    assert "no Python >= 3.11" in result.stderr
    assert "Python 3.9.2" in result.stderr
    assert not (project / ".venv").exists()


def test_packages_are_installed_again_only_when_requirements_change(project: Path) -> None:
    log = project / "pip.log"
    (project / ".venv" / "bin").mkdir(parents=True)
    executable(
        project / ".venv" / "bin" / "python",
        f'if [[ "$*" == *"pip install"* || "$*" == *"import vllm"* ]]; then echo "$*" >> {log}; '
        f'else exec {sys.executable} "$@"; fi',
    )

    def set_up(*arguments: str) -> list[str]:
        """What was installed, or tried, by this call."""
        log.write_text("")
        result = shell(project / "scripts" / "setup.sh", project, *arguments, PATH=str(project / "bin"))
        assert result.returncode == 0, result.stderr
        return log.read_text().splitlines()

    (installed,) = set_up()
    assert "--constraint constraints.txt" in installed
    assert set_up() == []
    (project / "constraints.txt").write_text("changed")
    assert len(set_up()) == 1
    vllm, tried = set_up("--vllm")
    assert "--no-deps --requirement constraints-vllm.txt" in vllm
    assert "import vllm" in tried
    assert set_up("--vllm") == set_up() == []
    (project / "constraints-vllm.txt").write_text("changed")
    assert set_up() == []
    assert len(set_up("--vllm")) == 2


def test_an_unknown_option_is_refused(project: Path) -> None:
    result = shell(project / "scripts" / "setup.sh", project, "--vlm", PATH=str(project / "bin"))
    assert result.returncode == 2
    assert "expected nothing or --vllm, got --vlm" in result.stderr
