"""The results of the study of real size as Markdown, from the JSON of its steps alone, and their places in pages.

Called by `lit-grpo study real-size --page`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lit_grpo.reports.show import markdown_table
from lit_grpo.reports.study_page import HEADLINE, RESULTS, copy_figures, table_of, write_section

HEADINGS = {
    "gate": "The gate: one seed, on validation tasks",
    "claim": "The claim: all seeds, on the test tasks",
    "fresh": "Demonstrations without limit, DAgger, and the policy's own successes",
    "curriculum": "Curricula",
    "ablations": "The ablations",
}
"""Step to the heading above it, in the order of the page."""
CONDITIONS = {
    "gate": "Gate",
    "claim": "Claim",
    "beyond": "Beyond demonstrations of ever new tasks",
    "equal_compute": "Equal compute",
    "converged": "Demonstrations have converged",
}

PARTS = {
    "headline, all cells": "All kinds and difficulties",
    "headline, study cells": "Kinds A to D alone",
    "training": "Training",
    "cells FR@5": "Cell by cell",
    "first moves": "First moves",
}
"""The first table of each part of a step to the heading above it."""
CELL_TABLES = {"claim": ("cells FR@5", "cells RR@5"), "curriculum": ("cells FR@5", "cells RR@5")}
"""Step to its tables of all cells: those of the final evaluation, for the quantities that have bands. Elsewhere the
figure stands for them; all are in the JSON."""


def write_page(root: Path, page: Path, plan: Mapping[str, Any]) -> None:
    """Fill in a page from the steps that are done: everything, with the figures beside it, or the claim in short.

    Args:
        root: The study's folder.
        page: Has the markers of `study_page.HEADLINE`, or else of `study_page.RESULTS`.
        plan: The plan of the study, where no step says under which it was made.

    Raises:
        ValueError: The page lacks the markers, or asks for a claim that has not been run.
    """
    documents = [
        json.loads(path.read_text(encoding="utf-8")) for step in HEADINGS if (path := root / f"{step}.json").is_file()
    ]
    if HEADLINE.begin in page.read_text(encoding="utf-8"):
        claims = [document for document in documents if document["step"] == "claim"]
        if not claims:
            raise ValueError(f"{page}: expected {root / 'claim.json'} for its headline, got none; run the claim first")
        write_section(page, headline_section(claims[0]), HEADLINE)
        return
    for document in documents:
        copy_figures(root, document["figures"].values(), page.parent)
    write_section(page, results_section(documents, plan), RESULTS)


def headline_section(claim: Mapping[str, Any]) -> str:
    """The claim in short: who reaches what, by how much, and whether that is what was claimed.

    Args:
        claim: The document of `claim.json`.
    """
    about, tables = claim["about"], claim["tables"]
    differences = [
        (part, tables[f"differences, {cells}, 0"])
        for part, cells in (("all 27 cells", "all cells"), ("A to D", "study cells"))
    ]
    columns = differences[0][1]["columns"]
    rows = [[f"{row[0]}, {part}", *row[1:]] for part, table in differences for row in table["rows"][:1]]
    paired = {"title": differences[0][1]["title"], "columns": columns, "rows": rows}
    parts = [
        _provenance(claim),
        markdown_table(table_of(tables["headline, all cells"])),
        markdown_table(table_of(paired)),
    ]
    for name in ("claim", "equal_compute", "converged"):
        parts.append(_verdict(name, about["conditions"][name]))
    return "\n".join(parts)


def results_section(documents: Sequence[Mapping[str, Any]], plan: Mapping[str, Any]) -> str:
    """Everything between the markers: the plan, then a section for each step that is done."""
    done = {document["step"] for document in documents}
    missing = [step for step in HEADINGS if step not in done]
    parts = [_plan(documents[0]["about"]["plan"] if documents else plan)]
    if missing:
        parts.append(f"**Not run yet: {', '.join(missing)}.**\n")
    for document in documents:
        parts += _step(document)
    return "\n".join(parts)


def _plan(plan: Mapping[str, Any]) -> str:
    seeds = ", ".join(map(str, plan["seeds"]))
    share = plan["tasks_per_cell"] / len(plan["seeds"])
    lines = [
        "### The plan\n",
        f"- Gate, training seed {plan['gate_seed']}: go on if `sft_compute_matched` gains less than "
        f"{100 * plan['gate_matched_below']:g} points of FR@5 over `sft`, and `sft_grpo` at least "
        f"{100 * plan['gate_rl_at_least']:g}, on validation tasks.",
        f"- Claim, training seeds {seeds}: `sft_grpo` is at least {100 * plan['claim_margin']:g} points above "
        "`sft_compute_matched` in FR@5 and in FR@1, on the twelve cells A to D and on all 27, and in each seed the "
        "whole interval of each difference is above 0.",
        f"- Test tasks: {plan['tasks_per_cell']} of each cell (suite seed {plan['suite_seed']}), about {share:.0f} to "
        "each training seed, none to two of them.",
        *(f"- {rule}" for rule in plan["rules"]),
    ]
    return "\n".join(lines) + "\n"


def _step(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {HEADINGS[document['step']]}\n"
    yield _provenance(document)
    for name, conditions in document["about"]["conditions"].items():
        if conditions:
            yield _verdict(name, conditions)
            yield "\n".join(_condition(condition) for condition in conditions) + "\n"
    shown = CELL_TABLES.get(document["step"], ())
    by_cells = [name for name in document["tables"] if name.startswith("cells")]
    for name, table in document["tables"].items():
        if name in PARTS:
            yield f"#### {PARTS[name]}\n"
        if name not in by_cells or name in shown:
            yield markdown_table(table_of(table))
        if name == "headline, all cells":
            yield f"![FR@5 and FR@1 of every arm]({document['figures']['arms']})\n"
        if name == "cells FR@5":
            yield f"![FR@5 per kind and difficulty]({document['figures']['cells']})\n"


def _provenance(document: Mapping[str, Any]) -> str:
    """What was played, after which training, and on what."""
    about, comparison = document["about"], document["comparison"]
    caution = "**A smoke run: the figures mean nothing.** " if about["is_smoke"] else ""
    verified = min(arm["metrics"]["verified"] for arm in comparison["arms"].values())
    verdicts = (
        "Every episode has the solver's verdict." if verified == 1 else f"**Only {verified:.1%} have a verdict.**"
    )
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    return (
        f"{caution}{comparison['tasks']} {about['tasks']} tasks, training seeds {', '.join(map(str, about['seeds']))}; "
        f"one greedy episode of at most five turns each. {verdicts} {about['device']}; {versions}.\n"
    )


def _verdict(name: str, conditions: Sequence[Mapping[str, Any]]) -> str:
    is_met = all(condition["is_met"] for condition in conditions)
    return f"**{CONDITIONS[name]}: {'met' if is_met else 'not met'}.**\n"


def _condition(condition: Mapping[str, Any]) -> str:
    got = "none" if condition["got"] is None else f"{condition['got']:.3f}"
    return f"- {condition['text']}: {got}, {'met' if condition['is_met'] else '**not met**'}"
