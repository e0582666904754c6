"""The results of the ablations as Markdown, from `ablations.json` alone, and their place in a page of documentation.

Called by ablations.py for the report, and by experiments/ablations.py to fill in docs/ablations.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lit_grpo.reports.show import markdown_table
from lit_grpo.reports.study_page import copy_figures, table_of, write_section

ABLATIONS_FILE = "ablations.json"

HEADINGS = {
    "headline": "All arms, all seeds",
    "differences": "Against supervised training and against the baseline",
    "training": "How they were trained",
    "per kind": "Per kind of fault",
    "headline of one seed": "Arms of one seed",
    "differences of one seed": "Against their counterparts",
    "training of one seed": "How the arms of one seed were trained",
    "cells FR@5": "Per kind and difficulty",
}
"""Name of a table in the JSON to the heading above it; a table without one follows the table before it."""


def results_section(document: Mapping[str, Any], figures: str) -> str:
    """Everything between the markers.

    Args:
        document: The document of `ablations.json`.
        figures: What stands before the pictures' paths, which are relative to the study's folder.
    """
    parts = [_introduction(document)]
    for name, table in document["tables"].items():
        if name in HEADINGS:
            parts.append(f"### {HEADINGS[name]}\n")
        parts.append(markdown_table(table_of(table)))
        if name == "headline":
            parts.append(f"![FR@5 and FR@1 of every arm]({figures}{document['figures']['arms']})\n")
        if name == "cells FR@5":
            parts.append(f"![FR@5 per kind and difficulty]({figures}{document['figures']['cells']})\n")
    return "\n".join(parts)


def write_into_docs(root: Path, page: Path) -> None:
    """Fill in a page from the study in ``root``, and put the figures beside it.

    Raises:
        ValueError: The study has not been reported, or the page lacks the markers.
    """
    path = root / ABLATIONS_FILE
    if not path.is_file():
        raise ValueError(f"expected {path}, got no such file; run the ablations first")
    document = json.loads(path.read_text(encoding="utf-8"))
    copy_figures(root, document["figures"].values(), page.parent)
    write_section(page, results_section(document, ""))


def _introduction(document: Mapping[str, Any]) -> str:
    about, comparison = document["about"], document["comparison"]
    seeds = ", ".join(str(seed) for seed in about["seeds"])
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    arms = [*comparison["arms"].values()]
    verified = min(arm["metrics"]["verified"] for arm in arms)
    verdicts = (
        "Every episode has the solver's verdict." if verified == 1 else f"**Only {verified:.1%} have a verdict.**"
    )
    caution = "**A smoke run: the figures mean nothing.** " if about["is_smoke"] else ""
    return (
        f"{caution}{comparison['tasks']} held-out tasks, seeds {seeds}; one greedy episode of at most five turns each. "
        f"{verdicts} {about['cpu_hours']:.1f} CPU-hours of training and testing on {about['device']}; {versions}. "
        f"Chosen by validation alone for the curriculum: `{about['best_arm']}`. Arms are from the worst to the best "
        "FR@5, below the policies that learned nothing. `*`: below 0.05. What the columns are: "
        "docs/metrics.md.\n"
    )
