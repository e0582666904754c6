"""`lit-grpo explain FILE`: what a program says, why it has no solution, and what may have gone wrong."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lit_grpo.commands.command import Command, CommandParser

if TYPE_CHECKING:
    from lit_grpo.explain.explanation import Explanation

DESCRIPTION = """\
Explain a linear or mixed-integer program in an .lp or .mps file (or either with .gz behind it): how it was read, its
status, the requirements that contradict each other, the least changes that make it feasible, and which slip may have
happened. No model takes part. Exit status: 0; 1 if the limits of the search were reached; 2 for a file that is
refused, with the reason in one line."""

FORMATS = ("text", "json", "html")
PROGRAMS = (".lp", ".mps", ".gz")
"""How files of programs end."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("explain", DESCRIPTION)
    parser.add_argument("file", type=Path, help="the program: .lp, .mps, or one of them with .gz behind it")
    parser.add_argument(
        "--specification", type=Path, help="text that says what it should mean: what fits it comes first"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: %(default)s")
    parser.add_argument("--output", type=Path, help="file to write instead of the terminal")
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="ELEMENT",
        help="must not be touched: row:NAME, var:NAME, or a pattern such as 'row:demand*'; can be repeated",
    )
    parser.add_argument(
        "--assert",
        dest="assertions",
        type=Path,
        metavar="FILE",
        help="rows in LP syntax that a repaired program has to satisfy; below a line Points: values it has to allow",
    )
    parser.add_argument("--max-changes", type=int, default=2, help="elements that one repair may change (default: 2)")
    parser.add_argument("--max-candidates", type=int, default=10, help="slips that are listed (default: %(default)s)")
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Read, explain, show."""
    from lit_grpo.environment.solver.solver import SolverStatus
    from lit_grpo.explain.explanation import ExplainSettings
    from lit_grpo.explain.reading import Question, explained
    from lit_grpo.writing import write_whole, writing

    question = Question(options.file, options.specification, options.keep, options.assertions)
    if options.output is not None:
        require_output(options.output, (options.file, options.specification, options.assertions))
    settings = ExplainSettings(max_changes=options.max_changes, max_candidates=options.max_candidates)
    found = explained(question, settings)
    text = shown(found, options.format)
    if options.output is None:
        sys.stdout.write(text)
    else:
        with writing(options.output, instead="name another file with --output"):
            write_whole(options.output, text)
    return 1 if found.solution.status is SolverStatus.INCONCLUSIVE else 0


def require_output(output: Path, read: Sequence[Path | None]) -> None:
    """Refuse, before anything is looked for, to write over what is read, or over what a program may be, or nowhere.

    Raises:
        ValueError: Says which file it is.
    """
    if any(path is not None and path.exists() and output.exists() and output.samefile(path) for path in read):
        raise ValueError(f"--output: expected a file of its own, got {output}, which is read; name another one")
    if output.suffix.lower() in PROGRAMS:
        raise ValueError(
            f"--output: expected a name for a report, such as report.{FORMATS[-1]}, got {output}, that of a program"
        )
    if not output.parent.is_dir():
        raise ValueError(f"--output: expected a folder to write to, got {output.parent}, which is none; make it first")


def shown(found: Explanation, format_name: str) -> str:
    """The explanation in the form asked for."""
    from lit_grpo.explain.as_html import explanation_html
    from lit_grpo.explain.as_json import explanation_json
    from lit_grpo.explain.as_text import explanation_text

    if format_name == "json":
        return json.dumps(explanation_json(found), indent=1, allow_nan=False) + "\n"
    return explanation_html(found) if format_name == "html" else explanation_text(found)


COMMAND = Command("explain", "why a program has no solution, and what may have gone wrong; no model", parse, run)
