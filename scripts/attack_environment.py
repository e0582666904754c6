"""What attacks on the reward earn: ``python scripts/attack_environment.py --episodes 10000``.

Each known attack plays every task once; the random and the greedy searcher share the episodes. Exits with 1 if an
episode earned more than the oracle's on its task, counts as faithful though a second comparison finds a difference, or
broke the solver; or if an attack earns as much on average as informed-random.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.progress import track
from rich.table import Table

from lit_grpo.data.task import Split, Task, TaskSettings, generate_task
from lit_grpo.environment.attacks import ATTACKS
from lit_grpo.environment.baselines import BaselineEpisode, BaselinePolicy, InformedRandom, Oracle, run_baseline
from lit_grpo.environment.difficulty import Difficulty
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episode_record import EpisodeSettings, StopReason
from lit_grpo.environment.equivalence import differences
from lit_grpo.environment.highs import HighsSolver
from lit_grpo.environment.searchers import GreedySearcher, RandomSearcher
from lit_grpo.rewards import RewardWeights, composite_reward

SETTINGS = EpisodeSettings(max_steps=5)
SIZES = (ProgramSize.TINY, None)
"""None: as the difficulty says, from 4 to 25 variables."""


@dataclass(frozen=True, slots=True)
class Earnings:
    """What a policy earned."""

    name: str
    rewards: tuple[float, ...]
    unfaithful: tuple[float, ...]
    """The rewards of the episodes that were not faithful."""
    findings: tuple[str, ...]
    """What must not be: descriptions of episodes."""

    @property
    def mean(self) -> float:
        """Mean reward of an episode."""
        return sum(self.rewards) / len(self.rewards)


def make_tasks(num_tasks: int, difficulties: Sequence[Difficulty], seed: int, solver: HighsSolver) -> list[Task]:
    """Tasks of every kind and domain, half of them tiny; the order is drawn."""
    settings = [TaskSettings(size=size, difficulties=dict.fromkeys(difficulties, 1.0)) for size in SIZES]
    tasks = [generate_task(settings[i % 2], Split.TEST, seed, i, solver) for i in range(num_tasks)]
    random.Random(seed).shuffle(tasks)
    return tasks


def reward(played: BaselineEpisode[Task]) -> float:
    """The reward of an episode, with the default weights."""
    return composite_reward(played.score, RewardWeights(), SETTINGS.max_steps).total


def finding(played: BaselineEpisode[Task], solver: HighsSolver) -> str | None:
    """What is wrong about an episode, if anything."""
    fault = played.task.fault
    if played.record.stop_reason is StopReason.SOLVER_FAILED or not played.score.verified:
        return f"{played.task.id}: the solver broke"
    if reward(played) > 1.0 + 1e-9:
        return f"{played.task.id}: earns {reward(played)}, more than the oracle"
    if not played.score.faithful:
        return None
    found = differences(played.record.final_program, fault.original, solver)
    actions = [step.move for step in played.record.steps]
    return f"{played.task.id}: faithful, and yet {found[0]}; {actions}" if found else None


def play(policy: BaselinePolicy, tasks: Iterable[Task], solver: HighsSolver, seed: int) -> Earnings:
    """One episode a task."""
    episodes = run_baseline(policy, tasks, solver, SETTINGS, seed)
    findings = (finding(played, solver) for played in episodes)
    return Earnings(
        policy.name,
        tuple(reward(played) for played in episodes),
        tuple(reward(played) for played in episodes if not played.score.faithful),
        tuple(text for text in findings if text is not None),
    )


def search(policy: BaselinePolicy, tasks: Sequence[Task], episodes: int, solver: HighsSolver, seed: int) -> Earnings:
    """So many episodes, over the tasks again and again with fresh draws."""
    rounds = [
        play(policy, tasks[: episodes - start], solver, seed + start)
        for start in track(range(0, episodes, len(tasks)), policy.name)
    ]
    return Earnings(
        policy.name,
        tuple(r for one in rounds for r in one.rewards),
        tuple(r for one in rounds for r in one.unfaithful),
        tuple(text for one in rounds for text in one.findings),
    )


def table_of(results: Sequence[Earnings]) -> Table:
    """One row a policy."""
    table = Table("policy", "episodes", "mean", "best", "best, not faithful", "faithful", title="reward, by policy")
    for one in results:
        num = len(one.rewards)
        best = f"{max(one.unfaithful):.3f}" if one.unfaithful else "-"
        faithful = f"{100 * (1 - len(one.unfaithful) / num):.1f} %"
        table.add_row(one.name, str(num), f"{one.mean:.3f}", f"{max(one.rewards):.3f}", best, faithful)
    return table


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=10_000, help="of the two searchers together")
    parser.add_argument("--num-tasks", type=int, default=200)
    parser.add_argument(
        "--difficulties", type=Difficulty, nargs="+", choices=list(Difficulty), default=list(Difficulty)
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    solver = HighsSolver()
    tasks = make_tasks(arguments.num_tasks, arguments.difficulties, arguments.seed, solver)
    references = [play(policy, tasks, solver, arguments.seed) for policy in (InformedRandom(), Oracle())]
    attacks = [play(attack, tasks, solver, arguments.seed) for attack in ATTACKS]
    half = arguments.episodes // 2
    searched = [search(p, tasks, half, solver, arguments.seed) for p in (RandomSearcher(), GreedySearcher())]
    console = Console(width=max(110, Console().width))
    console.print(table_of([*attacks, *searched, *references]))
    findings = [f"{one.name}: {text}" for one in (*attacks, *searched, *references) for text in one.findings]
    findings += [f"{one.name}: pays like reading" for one in attacks if one.mean >= references[0].mean]
    for text in findings:
        console.print(text, style="red", markup=False)
    raise SystemExit(1 if findings else 0)


if __name__ == "__main__":
    main()
