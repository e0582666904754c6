"""Whether a faulty model gives its faulty element away by style: names, positions, order of terms, digit formats.

    python scripts/audits/check_native_style.py [--instances 3000] [--kinds ABCDEFGHI] [--size small|medium|large]

Per kind, a small network is trained to pick a faulty element out of those that could have carried the fault, from one
family of features and never the text, and asked about instances whose true programs it has not met; four such networks
cover all. Exit status 1 if a family of style may do better than a uniform choice: the upper end of its 95 % interval
lies over `LIMIT`. What magnitudes give away is printed apart: a wrong number may be visible. Instances are kept in a
folder, so that a second analysis costs only the training; delete it after a change of the generator.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
from native_style.classifier import Choice, Finding, finding, first_picked
from native_style.features import APART, FAMILIES, TOGETHER, features_of
from native_style.instances import Instance, Stream, instances
from rich.console import Console
from rich.table import Table

from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.injection import FaultKind, kinds_of

GROUPS = (
    *((family, (family,)) for family in FAMILIES),
    (TOGETHER, FAMILIES),
    *((family, (family,)) for family in APART),
)
"""What is asked, and which families are seen."""
FIRST = "always the first"
"""A reader that learns nothing: the eligible element that stands first. Counted as style."""


def choices_of(instance: Instance) -> list[Choice]:
    """One choice per sort that holds a faulty and a sound element."""
    return [
        Choice(
            instance.original,
            features_of(slots, instance.program, instance.domain),
            [slot in instance.faulty for slot in slots],
        )
        for slots in instance.slots
        if set(slots) - set(instance.faulty)
    ]


def found_by(choices: Sequence[Choice], seed: int, group: tuple[str, Sequence[str]]) -> Finding:
    """What a network of its own finds in a group of families."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return finding(*group, choices)


def show(kind: FaultKind, num_instances: int, found: Sequence[Finding], console: Console) -> None:
    """One kind's table."""
    title = f"kind {kind.value}: {num_instances} instances, {found[0].num_choices} choices; points above chance (95 %)"
    table = Table(title=title)
    for column in ("family", "picked", "chance", "above chance", "upper", "verdict"):
        table.add_column(column, justify="left" if column == "family" else "right")
    for f in found:
        verdict = "apart" if f.family in APART else f.verdict
        above = f"{100 * f.above:+.1f} ± {100 * f.half_width:.1f}"
        shares = [f"{100 * share:.1f}" for share in (f.accuracy, f.chance)]
        table.add_row(f.family, *shares, above, f"{100 * f.upper:+.1f}", verdict)
    console.print(table)


def markdown(tables: Mapping[FaultKind, Sequence[Finding]]) -> str:
    """All kinds in one table, as in docs/native_style.md: a column per kind, points above chance (95 %)."""
    columns = list(tables.values())
    rows = [
        ["", *(kind.value for kind in tables)],
        ["---"] * (1 + len(columns)),
        ["choices", *(str(found[0].num_choices) for found in columns)],
        ["chance, %", *(f"{100 * found[0].chance:.1f}" for found in columns)],
    ]
    for row in zip(*columns, strict=True):
        label = f"apart: {row[0].family}" if row[0].family in APART else row[0].family
        rows.append([label, *(f"{100 * f.above:+.1f} ± {100 * f.half_width:.1f}" for f in row)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> int:
    """Make, train, print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=3000, help="per kind (%(default)s)")
    parser.add_argument("--kinds", default="".join(kinds_of(None)), help="letters (%(default)s)")
    parser.add_argument("--size", type=ProgramSize, default=None, help="of the programs (by difficulty)")
    parser.add_argument("--processes", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/native_style"), help="folder (%(default)s)")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    console, tables = Console(width=100), dict[FaultKind, list[Finding]]()
    with ProcessPoolExecutor(options.processes) as pool:
        for kind in [FaultKind(letter) for letter in options.kinds]:
            stream = Stream(kind, options.size, options.seed)
            made = instances(stream, options.instances, options.cache, pool)
            choices = [choice for instance in made for choice in choices_of(instance)]
            learned = pool.map(partial(found_by, choices, options.seed), GROUPS)
            tables[kind] = [first_picked(FIRST, choices), *learned]
            show(kind, len(made), tables[kind], console)
    print(markdown(tables))
    verdicts = [f.verdict for found in tables.values() for f in found if f.family not in APART]
    return 0 if set(verdicts) == {"native"} else 1


if __name__ == "__main__":
    sys.exit(main())
