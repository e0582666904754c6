"""What attacks on the reward have earned, as a table on the screen and as a page of docs.

Called by attack_environment.py, which plays them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.table import Table

from lit_grpo.environment.faults.fault_kinds import FaultKind

COLUMNS = ("policy", "episodes", "mean", "best", "best, not faithful", "faithful")


@dataclass(slots=True)
class Earnings:
    """What a policy earned."""

    name: str
    rewards: list[float] = field(default_factory=list)
    unfaithful: list[float] = field(default_factory=list)
    """The rewards of the episodes that were not faithful."""
    by_kind: dict[FaultKind, list[float]] = field(default_factory=lambda: defaultdict(list))
    num_integer: int = 0
    """Episodes on programs with integer variables."""
    findings: list[str] = field(default_factory=list)
    """What must not be: descriptions of episodes."""

    def add(self, kind: FaultKind, is_integer: bool, reward: float, faithful: bool, finding: str | None) -> None:
        """Count an episode."""
        self.rewards.append(reward)
        self.by_kind[kind].append(reward)
        self.num_integer += is_integer
        if not faithful:
            self.unfaithful.append(reward)
        if finding is not None:
            self.findings.append(finding)

    def extend(self, other: Earnings) -> None:
        """Count another one's episodes too."""
        self.rewards += other.rewards
        self.unfaithful += other.unfaithful
        self.num_integer += other.num_integer
        self.findings += other.findings
        for kind, rewards in other.by_kind.items():
            self.by_kind[kind] += rewards

    @property
    def mean(self) -> float:
        """Mean reward of an episode."""
        return mean(self.rewards)

    @property
    def cells(self) -> tuple[str, ...]:
        """Its row of the table."""
        num = len(self.rewards)
        best = f"{max(self.unfaithful):.3f}" if self.unfaithful else "-"
        faithful = f"{100 * (1 - len(self.unfaithful) / num):.1f} %"
        return self.name, str(num), f"{self.mean:.3f}", f"{max(self.rewards):.3f}", best, faithful


def mean(rewards: Sequence[float]) -> float:
    """The average of at least one reward."""
    return sum(rewards) / len(rewards)


def console_table(results: Sequence[Earnings]) -> Table:
    """One row a policy."""
    table = Table(*COLUMNS, title="reward, by policy")
    for one in results:
        table.add_row(*one.cells)
    return table


def page(
    attacks: Sequence[Earnings], references: Sequence[Earnings], findings: Sequence[str], tasks: int, searched: int
) -> str:
    """docs/attacks.md: the table, what stands beside it, and what was found.

    ``tasks`` and ``searched`` are what the script was given: of tasks, and of the searchers' episodes together.
    """
    num = sum(len(one.rewards) for one in (*attacks, *references))
    integer = sum(one.num_integer for one in (*attacks, *references)) / num
    ordered = [*references, *sorted(attacks, key=lambda one: -one.mean)]
    lines = [
        OPENING.format(episodes=num, integer=round(100 * integer), tasks=tasks, searched=searched),
        _header(COLUMNS),
    ]
    lines += [_row(one.cells) for one in ordered]
    lines += ["", BY_KIND, "", *_kinds(attacks, references), "", "## What was found", ""]
    lines += [f"- {text}" for text in findings] or ["Nothing that is held to above was broken by any episode."]
    return "\n".join(lines) + "\n"


def _kinds(attacks: Sequence[Earnings], references: Sequence[Earnings]) -> list[str]:
    """The three best attacks of each kind beside informed-random."""
    informed = references[0]
    lines = [_header(("kind", informed.name, "best attack", "second", "third"))]
    for kind in sorted(informed.by_kind):
        best = sorted((one for one in attacks if one.by_kind[kind]), key=lambda one: -mean(one.by_kind[kind]))[:3]
        bar = mean(informed.by_kind[kind])
        lines.append(_row((kind.value, f"{bar:.3f}", *(_shown(one, kind, bar) for one in best))))
    return lines


def _shown(attack: Earnings, kind: FaultKind, bar: float) -> str:
    text = f"{attack.name} {mean(attack.by_kind[kind]):.3f}"
    return f"**{text}**" if mean(attack.by_kind[kind]) > bar else text


def _header(cells: Sequence[str]) -> str:
    return _row(cells) + "\n" + "|---" * len(cells) + "|"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


OPENING = """# What attacks on the reward earn

Written by the command below, not by hand. What each attack does is in `attacks.py`, `attacks_by_guessing.py`,
`attacks_on_grammar.py`, `attacks_on_the_verdict.py` and `searchers.py` of `scripts/audits/audit_policies/`; what the
reward is, in [environment.md](environment.md).

```bash
.venv/bin/python scripts/audits/attack_environment.py --episodes {searched} --num-tasks {tasks} --out docs/attacks.md
```

Half of the tasks have two variables and are played as the shipped configs train, with edits taken back that leave the
program infeasible; the others are of all kinds, sizes and domains, and their edits persist. Each attack plays every
task once; the two searchers play {searched} episodes together. The greedy one is given what no model has: it tries
moves in the solver first, and is told of each whether it would be faithful. {episodes} episodes, {integer} % of them on
programs with integers. Of every one of them is held that

- it earns at most what the oracle earns, and at most 0.3 (its diagnosis) if it is not faithful;
- if it is faithful by score, a second judge, which shares no code with the score, finds the same feasible set and
  objective;
- the solver gives a verdict, so that no attack can take itself out of the advantages;
- the mean of an attack stays below informed-random, who reads every number right and compares nothing.

The first three policies are the references: informed-random, an honest attempt that wastes its first turn, the oracle.
The best of an attack is 1 where it repaired by luck: by deleting what had been added, by turning back the very sense
that was reversed, or by loosening a row that the others imply. `best, not faithful` is what was had without repairing.
"""

BY_KIND = """## By kind

Mean rewards. An attack that undoes one kind of slip does well on the kind that it undoes. That can be had without
reading: where it is above informed-random (bold), a policy has learned to read only if it is above the attack too."""
