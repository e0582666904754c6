"""The program `lit-grpo`.

1. Its help has a line for each command, and so has that of a group; each command explains itself, without torch.
2. A command that does not exist is answered in one line with the nearest; so is one that is not whole, or comes last.
3. What a user gets wrong is one line and status 2; what this package did not raise on purpose is shown as it is.
4. An arm that fails is one message and status 1.
5. `python -m lit_grpo` and the console script are the same program.
6. `--version`, also behind a command, names what a report of a bug should: without importing any of it.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from argparse import Namespace
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pytest

from lit_grpo import __version__
from lit_grpo.commands import lightning, report
from lit_grpo.commands import main as program
from lit_grpo.commands.main import COMMANDS, main
from lit_grpo.experiments.arms import ArmFailed

ROOT = Path(__file__).parents[2]
NAMES = {
    *("fit", "validate", "test", "predict", "quickstart", "report", "serve", "canary", "explain", "programs"),
    *("suite make", "suite check", "suite baselines", "suite evaluate", "study ablations", "study engines"),
    *("study real-size", "base tiny", "base small", "base smollm2"),
}


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_1_a_line_for_each_command(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([flag]) == 0
    lines = said(capsys).splitlines()
    assert {command.name for command in COMMANDS} == NAMES
    for command in COMMANDS:
        assert [line.split(command.name, 1)[1].strip() for line in lines if line.startswith(f"  {command.name} ")] == [
            command.summary
        ]
    assert max(map(len, lines)) <= 100


def test_1_a_line_for_each_of_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--help"]) == 0
    text = said(capsys)
    assert text.startswith("usage: lit-grpo study COMMAND")
    assert [line.split("  ")[1] for line in text.splitlines() if line.startswith("  ")] == [
        "study ablations",
        "study engines",
        "study real-size",
    ]


def test_1_each_explains_itself_without_torch() -> None:
    names = [command.name for command in COMMANDS if command not in lightning.COMMANDS]
    code = f"""
import sys
from lit_grpo.commands.main import main
for name in {names}:
    try:
        main([*name.split(), "--help"])
    except SystemExit as ended:
        assert not ended.code
print("torch" in sys.modules or "lightning" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in names:
        assert f"usage: lit-grpo {name} " in ended.stdout
    assert ended.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fitt"], "lit-grpo: expected a command of `lit-grpo`, got 'fitt'; did you mean 'fit'?"),
        (["xyz"], "lit-grpo: expected a command of `lit-grpo`, got 'xyz'; `lit-grpo --help` lists them"),
        (["suite", "mke"], "lit-grpo: expected a command of `lit-grpo suite`, got 'mke'; did you mean 'make'?"),
        (
            ["suite"],
            "lit-grpo: expected lit-grpo suite and one of baselines, check, evaluate, make, got nothing; "
            "`lit-grpo suite --help` explains them",
        ),
        (
            ["--config", "base", "fit"],
            "lit-grpo: expected lit-grpo and one of base, canary, explain, fit, predict, programs, quickstart, report, "
            "serve, study, suite, test, validate, got '--config'; `lit-grpo --help` explains them",
        ),
    ],
)
def test_2_no_such_command(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert one_line(capsys) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["quickstart", "--sed", "1"], "lit-grpo quickstart: unrecognized arguments: --sed 1; see"),
        (["quickstart", "--arms", "sftt"], "lit-grpo quickstart: argument --arms: invalid choice: 'sftt'"),
        (["report"], "lit-grpo report: the following arguments are required: ARM"),
        (["report", "nowhere"], "lit-grpo report: expected a folder of results, got nowhere, which does not exist"),
        (["suite", "baselines", "nowhere"], "lit-grpo suite baselines: expected a file or a folder of tasks"),
        (["suite", "check", "nowhere"], "lit-grpo suite check: expected a file or a folder of files with records"),
        (["serve", "--prt", "1"], "lit-grpo serve: "),
        (["serve", "--config", "serve/tinny"], "lit-grpo serve: --config: expected a file or a preset's path"),
        (["study", "engines", "--smoke", "--study", "x"], "lit-grpo study engines: --smoke: expected it without"),
        (["canary"], "lit-grpo canary: the following arguments are required: --config"),
        (["fit", "--config", "nowhere"], "lit-grpo: "),
    ],
)
def test_3_what_a_user_gets_wrong(words: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert one_line(capsys).startswith(expected)


def test_3_a_bug_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(words: Sequence[str]) -> Namespace:
        return Namespace(number=int("a bug"))

    monkeypatch.setattr(program, "COMMANDS", (program.Command("report", "", parse, report.run),))
    with pytest.raises(ValueError, match="a bug"):
        main(["report"])


def test_4_an_arm_that_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(options: Namespace) -> int:
        raise ArmFailed("sft: `lit-grpo fit` ended with 2")

    monkeypatch.setattr(program, "COMMANDS", (program.Command("report", "", report.parse, run),))
    assert main(["report", "x"]) == 1
    assert one_line(capsys) == "lit-grpo report: sft: `lit-grpo fit` ended with 2"


def test_5_python_m(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lit_grpo"]
    ended = subprocess.run([*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith(f"lit-grpo {__version__} (Python 3.")
    wrong = subprocess.run([*command, "fitt"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"lit-grpo": f"{main.__module__}:{main.__name__}"}


def test_6_the_version_names_the_libraries_and_loads_none() -> None:
    code = "import sys; from lit_grpo.commands.main import main; main(['fit', '--config', 'base', '--version'])"
    code += "; print(*sorted({'torch', 'lightning', 'transformers'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    line, loaded = ended.stdout.split("\n")[:2]
    assert line.startswith(
        f"lit-grpo {__version__} (Python {sys.version.split()[0]}, torch {metadata.version('torch')}"
    )
    assert f"lightning {metadata.version('lightning')}, transformers {metadata.version('transformers')}" in line
    assert loaded == ""


@pytest.mark.parametrize("seed", ["-1", str(2**32), "1.5"])
@pytest.mark.parametrize(
    "words",
    [
        *(["suite make", "--output", "x", "--seed"], ["suite baselines", "--seed"], ["quickstart", "--seeds", "0"]),
        *(
            ["study ablations", "--seeds"],
            ["study engines", "--seeds"],
            ["base tiny", "--seed"],
            ["base small", "--seed"],
        ),
    ],
)
def test_3_seeds(words: list[str], seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words[0].split(), *words[1:], seed]) == 2
    assert "expected a seed from 0 to 4294967295, got" in one_line(capsys)
