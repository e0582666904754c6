"""What attacks on the reward earn: ``python scripts/audits/attack_environment.py --out docs/attacks.md``.

Each known attack plays every task once; the random and the greedy searcher share the episodes. Half of the tasks are of
two variables and played as the shipped configs train, with edits taken back that leave the program infeasible; the
others are of the full sizes and all kinds, and their edits persist. Exits with 1 if an episode earned more than the
oracle's, counts as faithful though a second comparison finds a difference, earned more than its diagnosis without being
faithful, or broke the solver; or if an attack earns as much on average as informed-random.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attack_page import Earnings, console_table, page
from audit_policies.attacks import ATTACKS, Attack
from audit_policies.attacks_by_guessing import GUESSING_ATTACKS
from audit_policies.attacks_on_grammar import GRAMMAR_ATTACKS
from audit_policies.attacks_on_the_verdict import VERDICT_ATTACKS
from audit_policies.searchers import GreedySearcher, RandomSearcher
from equivalence import differences
from rich.console import Console
from rich.progress import Progress

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.policies.baselines import (
    BaselineEpisode,
    BaselinePolicy,
    InformedRandom,
    Oracle,
    run_baseline,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.rewards.components import RewardWeights
from lit_grpo.rewards.composite import composite_reward

MAX_STEPS = 5
WEIGHTS = RewardWeights()
ALL_ATTACKS = (*ATTACKS, *GUESSING_ATTACKS, *GRAMMAR_ATTACKS, *VERDICT_ATTACKS)
HONEST = Attack("honest, errs once", lambda view, rng: "hm" if view.turn == 0 else Oracle().act(view, rng))


@dataclass(frozen=True, slots=True)
class Field:
    """Tasks and the rules they are played by."""

    tasks: tuple[Task, ...]
    rules: EpisodeSettings


def make_fields(num_tasks: int, difficulties: Sequence[Difficulty], seed: int, solver: HighsSolver) -> list[Field]:
    """Tasks of every kind and domain, half of them of two variables."""
    weights = dict.fromkeys(difficulties, 1.0)
    undo = EpisodeSettings(max_turns=MAX_STEPS, undo_if_still_infeasible=True)
    fields: list[Field] = []
    for size, rules in ((ProgramSize.TINY, undo), (None, EpisodeSettings(max_turns=MAX_STEPS))):
        settings = TaskSettings(size=size, difficulties=weights)
        tasks = [generate_task(settings, Split.TEST, seed, i, solver) for i in range(num_tasks // 2)]
        random.Random(seed).shuffle(tasks)
        fields.append(Field(tuple(tasks), rules))
    return fields


def reward(played: BaselineEpisode[Task]) -> float:
    """The reward of an episode, with the default weights."""
    return composite_reward(played.score, WEIGHTS, MAX_STEPS)


def finding(played: BaselineEpisode[Task], solver: HighsSolver) -> str | None:
    """What is wrong about an episode, if anything."""
    fault, actions = played.task.fault, [turn.move for turn in played.record.turns]
    if played.record.stop_reason is StopReason.SOLVER_FAILED or not played.score.verified:
        return f"{played.task.id}: the solver broke; {actions}"
    if reward(played) > 1.0 + 1e-9:
        return f"{played.task.id}: earns {reward(played)}, more than the oracle; {actions}"
    if not played.score.faithful:
        most = WEIGHTS.diagnosis + 1e-9
        return f"{played.task.id}: earns {reward(played)} unfaithfully; {actions}" if reward(played) > most else None
    found = differences(played.record.final_program, fault.original, solver)
    return f"{played.task.id}: faithful, and yet {found[0]}; {actions}" if found else None


def play(policy: BaselinePolicy, field: Field, num_episodes: int, solver: HighsSolver, seed: int) -> Earnings:
    """So many episodes, over the tasks again and again with fresh draws."""
    earned = Earnings(policy.name)
    for start in range(0, num_episodes, len(field.tasks)):
        tasks = field.tasks[: num_episodes - start]
        for played in run_baseline(policy, tasks, solver, field.rules, seed + start):
            fault, found = played.task.fault, finding(played, solver)
            earned.add(fault.kind, fault.original.is_integer, reward(played), played.score.faithful, found)
    return earned


def play_all(
    policies: Sequence[tuple[BaselinePolicy, int]], fields: Sequence[Field], solver: HighsSolver, seed: int
) -> list[Earnings]:
    """Each policy over both fields, with its number of episodes for each."""
    results: list[Earnings] = []
    with Progress() as progress:
        bar = progress.add_task("policies", total=len(policies) * len(fields))
        for policy, num_episodes in policies:
            total = Earnings(policy.name)
            for field in fields:
                total.extend(play(policy, field, num_episodes, solver, seed))
                progress.update(bar, advance=1, description=policy.name)
            results.append(total)
    return results


def main() -> None:
    """Play, print, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=10_000, help="of the two searchers together (%(default)s)")
    parser.add_argument("--num-tasks", type=int, default=400, help="(%(default)s)")
    parser.add_argument(
        "--difficulties", type=Difficulty, nargs="+", choices=list(Difficulty), default=list(Difficulty)
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Markdown page to write")
    arguments = parser.parse_args()
    solver = HighsSolver()
    fields = make_fields(arguments.num_tasks, arguments.difficulties, arguments.seed, solver)
    once, searches = arguments.num_tasks // 2, arguments.episodes // 4
    references: list[tuple[BaselinePolicy, int]] = [(InformedRandom(), once), (HONEST, once), (Oracle(), once)]
    searchers: list[tuple[BaselinePolicy, int]] = [(RandomSearcher(), searches), (GreedySearcher(), searches)]
    attacks: list[tuple[BaselinePolicy, int]] = [(attack, once) for attack in ALL_ATTACKS]
    results = play_all([*references, *searchers, *attacks], fields, solver, arguments.seed)
    Console(width=max(110, Console().width)).print(console_table(results))
    findings = [f"{one.name}: {text}" for one in results for text in one.findings]
    findings += [f"{one.name}: pays like reading" for one in results[5:] if one.mean >= results[0].mean]
    for text in findings:
        Console().print(text, style="red", markup=False)
    if arguments.out is not None:
        text = page(results[3:], results[:3], findings, arguments.num_tasks, arguments.episodes)
        arguments.out.write_text(text, encoding="utf-8")
    raise SystemExit(1 if findings else 0)


if __name__ == "__main__":
    main()
