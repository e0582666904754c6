"""What README, docs and configs promise can be done.

1. Each command in a shell block is one that exists, with arguments it takes: `lit-grpo` commands are parsed whole, the
   options of scripts are those that `--help` lists, extras are in pyproject.toml. Of a command with `...` in it the
   files are checked. A block that cannot be checked says so: ```bash illustrative
2. Each relative link and picture leads to a file, and to a heading where it names one; the site lists every page once.
3. Each YAML under configs/ opens with its purpose, the hardware, and a command, which is checked in the same way.
4. A command that trains or tests with rewards names the policy that it begins with: the tiny model's own checkpoint is
   a base that repairs nothing yet.
"""

import contextlib
import io
import re
import runpy
import shlex
import sys
import tomllib
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from lit_grpo.commands import canary, lightning
from lit_grpo.commands.command import UsageError
from lit_grpo.commands.main import find_command, main

ROOT = Path(__file__).parents[2]
SITE = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *SITE, ROOT / "checkpoints" / "README.md"]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELLS = {"bash", "sh", "shell", "console"}
PLAIN = {"cd", "git", "source", "cat", "less", "ls", "export"}
"""Commands of the shell that need no check of ours."""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands_in(text: str) -> Iterator[str]:
    """Commands of a page's shell blocks, one a line, continued lines joined, without prompts."""
    for language, information, body in FENCE.findall(text):
        if language in SHELLS and "illustrative" not in information:
            for line in body.replace("\\\n", " ").splitlines():
                command = line.strip().removeprefix("$ ")
                if command and not command.startswith("#"):
                    yield command


def documented_commands() -> list[str]:
    return sorted({command for page in PAGES for command in commands_in(page.read_text(encoding="utf8"))})


def check(command: str) -> None:
    """Raise an AssertionError for a command that does not exist or does not take its arguments."""
    words = shlex.split(command, comments=True)
    while words and re.fullmatch(r"\w+=\S*", words[0]):
        words = words[1:]
    if not words or words[0] in PLAIN:
        return
    if "..." in words:
        check_files(words)
        return
    program, arguments = Path(words[0]).name, words[1:]
    match program:
        case "lit-grpo":
            check_program(arguments)
        case "bash":
            check_shell_script(arguments)
        case "python" | "python3":
            check_python(arguments)
        case "pip":
            check_pip(arguments)
        case "pytest" | "ruff" | "pyright" | "codespell" | "tensorboard":
            pass
        case _:
            pytest.fail(f"{command!r}: no check for {program}; mark the block as illustrative if it cannot be run")


def check_files(words: list[str]) -> None:
    """Of a command that leaves something out, only the files it names can be checked."""
    assert not [word for word in words if word.startswith(("configs/", "scripts/")) and not (ROOT / word).exists()]


def check_program(arguments: list[str]) -> None:
    """Of a command that is not Lightning's own, only the words are read; of the canary those of its fit as well."""
    command, rest = find_command(arguments)
    if command in lightning.COMMANDS:
        check_lightning(arguments)
    elif command is canary.COMMAND:
        check_lightning(["fit", *canary.parse(rest).fit])
    else:
        command.parse(rest)


def check_lightning(arguments: list[str]) -> None:
    asked = {"--help", "--print_config"} & set(arguments)
    with pytest.raises(SystemExit) as ended:
        sys.exit(main([*arguments, *([] if asked else ["--print_config"])]))
    assert ended.value.code in (0, None)


def check_shell_script(arguments: list[str]) -> None:
    script = ROOT / arguments[0]
    assert script.is_file()
    command = re.search(r"python -m lit_grpo ([\w ]+) \"\$@\"", script.read_text())
    options = [argument for argument in arguments[1:] if argument.startswith("-")]
    if command:
        check_program([*command.group(1).split(), *arguments[1:]])
        return
    cases = set(re.findall(r"(--[\w-]+)\)", script.read_text()))
    assert set(options) <= cases, f"{arguments[0]} takes {sorted(cases) or 'no options'}"


def check_python(arguments: list[str]) -> None:
    program = tuple(arguments[:2]) if arguments[0] == "-m" else (arguments[0],)
    if program[0] != "-m":
        assert (ROOT / program[0]).is_file()
    if program not in (("-m", "pytest"), ("-m", "pip")):
        check_options(program, [argument for argument in arguments[len(program) :] if argument.startswith("-")])


def check_options(program: tuple[str, ...], options: list[str]) -> None:
    known = set(re.findall(r"(?<![\w-])--?[\w-]+", help_of(program)))
    unknown = [option for option in options if option.split("=")[0] not in known]
    assert not unknown, f"{' '.join(program)} does not take {unknown}"


@cache
def help_of(program: tuple[str, ...]) -> str:
    """Run in this process, which has loaded torch and Lightning already."""
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output):
        patch.setattr(sys, "argv", [program[-1], "--help"])
        with pytest.raises(SystemExit) as ended:
            run_as_main(program)
    assert ended.value.code in (0, None)
    return output.getvalue()


def run_as_main(program: tuple[str, ...]) -> None:
    if program[0] != "-m":
        runpy.run_path(str(ROOT / program[0]), run_name="__main__")
    with warnings.catch_warnings():
        # It may be imported already: its help is the same.
        warnings.simplefilter("ignore", RuntimeWarning)
        runpy.run_module(program[1], run_name="__main__", alter_sys=True)


def check_pip(arguments: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = [part for argument in arguments for part in re.findall(r"\[([\w,-]+)\]", argument)]
    assert set(",".join(named).split(",")) - {""} <= extras.keys()
    is_open = arguments[0] == "install" and "--no-deps" not in arguments
    assert not is_open or {"-c", "--constraint"} & set(arguments), "-c constraints.txt, or another torch comes"


@pytest.mark.parametrize("command", documented_commands())
def test_documented_commands_exist(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    check(command)


@pytest.mark.parametrize(
    "command",
    [
        "bash scripts/no_such_script.sh",
        "bash scripts/setup.sh --fast",
        ".venv/bin/python scripts/no_such_script.py",
        ".venv/bin/python -m json.tool --no-such-option 1",
        ".venv/bin/pip install -c constraints.txt -e '.[no-such-extra]'",
        ".venv/bin/pip install -e '.[trl]'",
        "lit-grpo fit --config configs/no_such_config.yaml",
        "lit-grpo no-such-command",
        "lit-grpo suite make --output runs/suite --no-such-option",
        "lit-grpo canary --config configs/no_such_config.yaml",
        "bash scripts/quickstart.sh --no-such-option",
        "some-other-program",
        "lit-grpo fit ... --config configs/no_such_config.yaml",
    ],
)
def test_the_check_itself_refuses(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises((AssertionError, pytest.fail.Exception, UsageError)):
        check(command)


def test_blocks_are_read_as_a_shell_reads_them() -> None:
    page = "```bash\n$ a \\\n  --b\n# remark\n\nc\n```\n```bash illustrative\nd\n```\n```python\ne\n```\n"
    assert list(commands_in(page)) == ["a    --b", "c"]


def broken_links(page: Path) -> Iterator[str]:
    """Links of a page to files, or to headings of one, that are not there."""
    for target, heading in LINK.findall(page.read_text(encoding="utf8")):
        if "://" in target:
            continue
        path = page.parent / target if target else page
        if not path.exists() or (heading and heading not in headings_of(path)):
            yield f"{relative(page)}: {target}#{heading}"


@cache
def headings_of(page: Path) -> set[str]:
    """Anchors of a page's headings: lower case, without punctuation, with hyphens for blanks."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_links_lead_somewhere() -> None:
    assert not [link for page in PAGES for link in broken_links(page)]


def test_an_anchor_is_made_as_the_site_makes_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# The rules (`rules.py`)\n```bash\n# no heading\n```\n## A-B, and c_d\n")
    assert headings_of(page) == {"the-rules-rulespy", "a-b-and-c_d"}


def test_the_site_lists_every_page_once() -> None:
    index = ROOT / "docs" / "index.md"
    blocks = TOCTREE.findall(index.read_text(encoding="utf8"))
    entries = [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]
    listed = [entry for entry in entries if "<" not in entry]
    assert sorted(listed) == [page.stem for page in SITE if page != index]


def header_command(config: Path) -> str:
    """The command at the top of a config; an AssertionError if its header is not one."""
    text = config.read_text(encoding="utf8")
    opening = re.match(r"# Purpose: (?:[^\n]|\n#)+\n# Hardware: (?:[^\n]|\n#)+\n# Command: ((?:[^\n]|\n#)+)\n", text)
    assert opening, "expected comments `# Purpose: ...`, `# Hardware: ...`, `# Command: ...` at the top"
    return opening.group(1).replace("\n#", " ")


def test_4_a_command_that_plays_says_with_which_policy() -> None:
    commands = [*documented_commands(), *map(header_command, CONFIGS)]
    playing = [c for c in commands if "grpo.yaml" in c and "model/tiny.yaml" in c and "..." not in c]
    assert len(playing) > 20
    assert not [command for command in playing if "--model.policy.checkpoint" not in command]


@pytest.mark.parametrize("config", CONFIGS, ids=relative)
def test_configs_open_with_purpose_hardware_and_a_command_that_exists(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(yaml.safe_load(config.read_text(encoding="utf8")), dict)
    monkeypatch.chdir(ROOT)
    check(header_command(config))
