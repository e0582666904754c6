"""Which policy does each reward pay best? ``python scripts/audits/scan_rewards.py --out rewards.md``.

Every attack, trivial policy and reference plays the same tasks once; every preset of configs/reward/ then pays the same
verified scores. Half of the tasks are of two variables and played as the shipped configs train, with edits taken back
that leave the program infeasible; the others are of the full sizes and all kinds, and their edits persist. Prints, and
writes as Markdown, what each preset pays best among those that were not told the truth, and the mean for every policy.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import yaml
from audit_policies.attacks import ATTACKS, Attack
from audit_policies.attacks_by_guessing import GUESSING_ATTACKS
from audit_policies.attacks_on_grammar import GRAMMAR_ATTACKS
from audit_policies.reference_policies import reference_policies
from audit_policies.searchers import RandomSearcher
from jsonargparse import ArgumentParser
from rich.console import Console
from rich.progress import track

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.policies.baselines import (
    BaselineEpisode,
    BaselinePolicy,
    DropFirst,
    InformedElement,
    InformedRandom,
    MinimumRelaxation,
    Oracle,
    RandomInConflict,
    run_baseline,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.rewards.base import AttemptKey, Reward
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rewards.hybrid import HybridReward

PRESETS = Path(__file__).parents[2] / "configs" / "reward"
KNOWN = (CompositeReward, HybridReward)
"""Importing a class is what makes its short name known in a preset."""
MAX_STEPS = 5
HONEST = Attack("honest, errs once", lambda view, rng: "hm" if view.turn == 0 else Oracle().act(view, rng))
INFORMED: tuple[BaselinePolicy, ...] = (
    Oracle(),
    HONEST,
    *reference_policies(reading=0),
    InformedElement(),
    InformedRandom(),
)
"""These are told the truth, or read it with errors: what honest work is worth."""
UNINFORMED: tuple[BaselinePolicy, ...] = (
    DropFirst(),
    RandomInConflict(),
    MinimumRelaxation(),
    RandomSearcher(),
    *ATTACKS,
    *GUESSING_ATTACKS,
    *GRAMMAR_ATTACKS,
)
"""These see no more than the algebra."""


@dataclass(frozen=True, slots=True)
class Paid:
    """What a policy's episodes were, and what each preset pays for them."""

    name: str
    is_informed: bool
    recovered: float
    """Share of episodes that became optimal."""
    faithful: float
    means: Mapping[str, float]
    """Preset to mean reward."""


def load_presets(folder: Path = PRESETS) -> dict[str, Reward]:
    """Every preset: the default, its relatives, and those on the study's scale."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Reward, "reward")
    trees = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))["rollout"] for path in folder.glob("*.yaml")}
    rewards = {name: parser.instantiate(parser.parse_object(tree)).reward for name, tree in trees.items()}
    last = [(isinstance(reward, HybridReward), name != "composite", name) for name, reward in rewards.items()]
    return {name: rewards[name] for _, _, name in sorted(last)}


def make_tasks(num_tasks: int, seed: int, solver: HighsSolver) -> list[tuple[list[Task], EpisodeSettings]]:
    """Tasks of every kind and the rules they are played by; half of them are of two variables."""
    undo = EpisodeSettings(max_turns=MAX_STEPS, undo_if_still_infeasible=True)
    fields = ((ProgramSize.TINY, undo), (None, EpisodeSettings(max_turns=MAX_STEPS)))
    return [
        ([generate_task(TaskSettings(size=size), Split.TEST, seed, i, solver) for i in range(num_tasks // 2)], rules)
        for size, rules in fields
    ]


def play(
    policy: BaselinePolicy, fields: Sequence[tuple[Sequence[Task], EpisodeSettings]], solver: HighsSolver, seed: int
) -> list[BaselineEpisode[Task]]:
    """One episode a task."""
    return [played for tasks, rules in fields for played in run_baseline(policy, tasks, solver, rules, seed)]


def pay(
    policy: BaselinePolicy, episodes: Sequence[BaselineEpisode[Task]], presets: Mapping[str, Reward], seed: int
) -> Paid:
    """What every preset pays for the same scores."""
    keys = [AttemptKey(seed, 0, played.task.id, 0) for played in episodes]
    means = {
        name: mean(reward.of(e.score, MAX_STEPS, key).total for e, key in zip(episodes, keys, strict=True))
        for name, reward in presets.items()
    }
    return Paid(
        policy.name,
        policy in INFORMED,
        mean(float(played.score.recovered) for played in episodes),
        mean(float(played.score.faithful) for played in episodes),
        means,
    )


def best_paid(paid: Sequence[Paid], preset: str) -> Paid:
    """Among the policies that were not told the truth."""
    return max((one for one in paid if not one.is_informed), key=lambda one: one.means[preset])


def summary(paid: Sequence[Paid], presets: Sequence[str]) -> list[list[str]]:
    """For each preset the best paid of the uninformed, beside the oracle and the honest attempt."""
    oracle, honest = paid[0], paid[1]
    rows = [["preset", "pays best", "its reward", "its FR", "its RR", HONEST.name, "oracle", "its reward / oracle's"]]
    for preset in presets:
        best = best_paid(paid, preset)
        share = f"{100 * best.means[preset] / oracle.means[preset]:.0f} %"
        rewards = [f"{one.means[preset]:.3f}" for one in (best, honest, oracle)]
        shares = [f"{100 * best.faithful:.1f} %", f"{100 * best.recovered:.1f} %"]
        rows.append([preset, best.name, rewards[0], *shares, *rewards[1:], share])
    return rows


def details(paid: Sequence[Paid], presets: Sequence[str]) -> list[list[str]]:
    """Every policy, the informed first, each part by what the default pays."""
    rows = [["policy", "FR", "RR", *presets]]
    for one in sorted(paid, key=lambda one: (not one.is_informed, -one.means[presets[0]])):
        shares = [f"{100 * share:.1f} %" for share in (one.faithful, one.recovered)]
        rows.append([one.name, *shares, *(f"{one.means[preset]:.3f}" for preset in presets)])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Play, pay, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-tasks", type=int, default=200, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file for the tables as Markdown")
    arguments = parser.parse_args()
    solver, presets = HighsSolver(), load_presets()
    fields = make_tasks(arguments.num_tasks, arguments.seed, solver)
    paid = [
        pay(policy, play(policy, fields, solver, arguments.seed), presets, arguments.seed)
        for policy in track((*INFORMED, *UNINFORMED), "policies", transient=True)
    ]
    text = f"{markdown(summary(paid, list(presets)))}\n{markdown(details(paid, list(presets)))}"
    Console(soft_wrap=True).print(text, markup=False)
    if arguments.out is not None:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
