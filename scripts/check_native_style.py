"""Whether a faulty model gives its faulty element away by style: names, positions, order of terms, digit formats.

    python scripts/check_native_style.py [--instances 3000] [--kinds ABCD] [--size small|medium|large]

Per kind, a small network is trained on one half of the instances to pick the faulty element out of those that could
have carried the fault, from one family of features and never the text, and asked on the other half; then the halves
change places. Exit status 1 if a family of style does better than a uniform choice: the upper end of its 95 % interval
lies over `LIMIT`. What magnitudes give away is printed apart: a wrong number may be visible.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from native_style_features import APART, FAMILIES, TOGETHER, Choice, choices_of
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from lit_grpo.data.task import Split, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults import FaultKind, kinds_of
from lit_grpo.environment.highs import HighsSolver

LIMIT = 0.03
"""What the upper end of an interval may lie above chance."""
CHUNK = 20
"""Instances a process makes at a time."""
WIDTH = 32


@dataclass(frozen=True, slots=True)
class Finding:
    """How often a network that sees one family picks the faulty element."""

    family: str
    num_choices: int
    accuracy: float
    chance: float
    """Of a uniform choice, on average."""
    half_width: float
    """Of the 95 % interval of accuracy less chance (normal approximation over the choices)."""

    @property
    def upper(self) -> float:
        """Upper end of the interval of accuracy less chance."""
        return self.accuracy - self.chance + self.half_width

    @property
    def is_native(self) -> bool:
        """Whether the family is as good as useless."""
        return self.upper <= LIMIT

    @property
    def verdict(self) -> str:
        """`tells` if the interval lies over 0, `open` if it is too wide to say either."""
        if self.is_native:
            return "native"
        return "tells" if self.accuracy - self.chance > self.half_width else "open: more instances"


def make_choices(size: ProgramSize | None, kind: FaultKind, seed: int, start: int) -> list[list[Choice]]:
    """What is to choose in each of `CHUNK` instances of the kind, from a position of the stream."""
    torch.set_num_threads(1)
    solver, settings = HighsSolver(), TaskSettings(size=size, kinds={kind: 1.0})
    tasks = (generate_task(settings, Split.TRAIN, seed, start + i, solver) for i in range(CHUNK))
    return [choices_of(task, solver) for task in tasks]


def instances(
    pool: ProcessPoolExecutor, size: ProgramSize | None, kind: FaultKind, seed: int, number: int
) -> Iterator[list[Choice]]:
    """The first so many instances that leave a choice; those with one eligible element would only dilute chance."""
    start = 0
    while number > 0:
        starts = range(start, start + math.ceil(number / CHUNK) * CHUNK, CHUNK)
        made = [m for chunk in pool.map(partial(make_choices, size, kind, seed), starts) for m in chunk if m]
        yield from islice(made, number)
        number -= len(made)
        start = starts.stop


def padded(choices: Sequence[Choice], families: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Features [choice, slot, feature], standardised, and which slots hold an element [choice, slot]."""
    most = max(len(choice.features) for choice in choices)
    rows = [[[x for family in families for x in slot[family]] for slot in choice.features] for choice in choices]
    width = len(rows[0][0])
    features = torch.tensor([row + [[0.0] * width] * (most - len(row)) for row in rows])
    is_element = torch.tensor([[i < len(row) for i in range(most)] for row in rows])
    present = features[is_element]
    return (features - present.mean(0)) / present.std(0).clamp_min(1e-3), is_element


def trained(features: Tensor, is_element: Tensor, labels: Tensor, num_epochs: int) -> nn.Module:
    """A network that scores an element by itself, with cross-entropy over the elements of a choice."""
    network = nn.Sequential(nn.Linear(features.shape[-1], WIDTH), nn.GELU(), nn.Dropout(0.2), nn.Linear(WIDTH, 1))
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=0.1)
    for _ in range(num_epochs):
        for part in torch.randperm(len(features)).split(64):
            scores = network(features[part]).squeeze(-1).masked_fill(~is_element[part], -1e9)
            optimizer.zero_grad()
            nn.functional.cross_entropy(scores, labels[part]).backward()
            optimizer.step()
    return network.eval()


def finding(family: str, families: Sequence[str], choices: Sequence[Choice], num_epochs: int) -> Finding:
    """Train on each half, ask on the other; the choices of one instance stay in one half."""
    features, is_element = padded(choices, families)
    labels = torch.tensor([choice.faulty for choice in choices])
    halves = torch.tensor([choice.half for choice in choices])
    right = torch.zeros(len(choices))
    for half in (0, 1):
        seen, asked = halves != half, halves == half
        network = trained(features[seen], is_element[seen], labels[seen], num_epochs)
        with torch.no_grad():
            scores = network(features[asked]).squeeze(-1).masked_fill(~is_element[asked], -1e9)
        right[asked] = (scores.argmax(1) == labels[asked]).float()
    chances = 1.0 / is_element.sum(1)
    half_width = 1.96 * float((right - chances).std()) / math.sqrt(len(choices))
    return Finding(family, len(choices), float(right.mean()), float(chances.mean()), half_width)


def findings(choices: Sequence[Choice], num_epochs: int) -> list[Finding]:
    """Of each family alone, of style together, and of what is reported apart."""
    groups = [(family, (family,)) for family in FAMILIES] + [(TOGETHER, FAMILIES)]
    groups += [(family, (family,)) for family in APART]
    return [finding(name, families, choices, num_epochs) for name, families in groups]


def show(kind: FaultKind, found: Sequence[Finding], console: Console) -> None:
    """One kind's table."""
    table = Table(title=f"kind {kind.value}: {found[0].num_choices} choices; percent, points above chance (95 %)")
    for column in ("family", "picked", "chance", "above chance", "upper", "verdict"):
        table.add_column(column, justify="left" if column == "family" else "right")
    for f in found:
        verdict = "apart" if f.family in APART else f.verdict
        above = f"{100 * (f.accuracy - f.chance):+.1f} ± {100 * f.half_width:.1f}"
        shares = [f"{100 * share:.1f}" for share in (f.accuracy, f.chance)]
        table.add_row(f.family, *shares, above, f"{100 * f.upper:+.1f}", verdict)
    console.print(table)


def main() -> int:
    """Make, train, print; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instances", type=int, default=3000, help="per kind (%(default)s)")
    parser.add_argument("--kinds", default="".join(kinds_of(None)), help="letters (%(default)s)")
    parser.add_argument("--size", type=ProgramSize, default=None, help="of the programs (by difficulty)")
    parser.add_argument("--processes", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--epochs", type=int, default=15, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.processes)
    console, is_native = Console(width=100), True
    with ProcessPoolExecutor(options.processes) as pool:
        for kind in [FaultKind(letter) for letter in options.kinds]:
            made = instances(pool, options.size, kind, options.seed, options.instances)
            choices = [choice.in_half(i % 2) for i, instance in enumerate(made) for choice in instance]
            found = findings(choices, options.epochs)
            show(kind, found, console)
            is_native = is_native and all(f.is_native for f in found if f.family not in APART)
    return 0 if is_native else 1


if __name__ == "__main__":
    sys.exit(main())
