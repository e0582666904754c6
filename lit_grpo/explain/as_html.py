"""An explanation as one self-contained page, to be sent to a colleague: `lit-grpo explain FILE --format html`.

Called by commands/explain.py. No script, no font and no picture is fetched from anywhere; every word that comes from
the user's file is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import PurePath

from lit_grpo.explain.as_text import (
    candidate_line,
    conflict_heading,
    member_lines,
    relaxation_line,
    verdict_line,
)
from lit_grpo.explain.explanation import Explanation

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2430; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.file, p.note { color: #5a6475; margin: .2rem 0; } p.verdict { font-size: 1.1rem; font-weight: 600; }
p.infeasible { color: #a3211b; } p.fine { color: #1c6b3a; }
table { border-collapse: collapse; width: 100%; } td { padding: .3rem .8rem .3rem 0; vertical-align: top;
border-top: 1px solid #e3e7ee; } td:first-child { white-space: nowrap; color: #5a6475; }
code, td.algebra { font-family: ui-monospace, monospace; font-size: .92rem; overflow-wrap: anywhere; }
ol, ul { padding-left: 1.4rem; } li { margin: .3rem 0; overflow-wrap: anywhere; }
"""


def explanation_html(found: Explanation) -> str:
    """The page."""
    name = PurePath(found.report.file).name
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(name)}: {found.solution.status.value}</title><style>{STYLE}</style></head><body>",
            *_body(found, name),
            "</body></html>",
            "",
        ]
    )


def _body(found: Explanation, name: str) -> Iterator[str]:
    report = found.report
    yield f"<h1>{escape(name)}</h1>"
    yield (
        f'<p class="file">{escape(report.format)}, {report.direction}, {report.num_rows} rows, '
        f"{report.num_columns} columns, {report.num_nonzeros} non-zeros, {report.num_integers} integer</p>"
    )
    look = "infeasible" if found.solution.status.value == "infeasible" else "fine"
    yield f'<p class="verdict {look}">{escape(verdict_line(found))}</p>'
    yield from (f'<p class="note">Note on how it was read: {escape(str(note))}</p>' for note in report.notes)
    if found.ray:
        yield from _list("Along these variables it goes on for ever", (f"{v}: {s:g} a step" for v, s in found.ray))
    for position, conflict in enumerate(found.conflicts):
        yield f"<h2>{escape(conflict_heading(found, conflict, position))}</h2><table>"
        for element, text in member_lines(found, conflict):
            yield f'<tr><td>{escape(element)}</td><td class="algebra">{escape(text)}</td></tr>'
        yield "</table>"
    if found.relaxations:
        yield from _list(
            "The least changes of right-hand sides and bounds", (relaxation_line(r) for r in found.relaxations)
        )
    if found.candidates:
        lines = (candidate_line(found, candidate) for candidate in found.candidates)
        yield from _list("What may have happened, the likeliest slip first", lines, "ol")
    yield from (f'<p class="note">Note: {escape(remark)}.</p>' for remark in found.remarks)
    yield '<p class="note">What was meant is for whoever wrote the model to say: nothing here proves it.</p>'


def _list(heading: str, lines: Iterable[str], tag: str = "ul") -> Iterator[str]:
    yield f"<h2>{escape(heading)}</h2><{tag}>"
    yield from (f"<li><code>{escape(line)}</code></li>" for line in lines)
    yield f"</{tag}>"
