"""Tasks and rewards in the form that TRL's GRPOTrainer takes, for answers of one turn.

Called by a user's own training script, docs/other_trainers.md shows one; several turns are in trl_tools.py. Nothing of
TRL is imported: it wants rows with a prompt, and a function that scores completions.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from lit_grpo.data.benchmark import task_from_record, task_to_record
from lit_grpo.data.task import Task
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.observation import ObservationStyle, instructions
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.room import TokenCount
from lit_grpo.environment.episodes.scoring import RepairScore, score_episode
from lit_grpo.environment.solver.remembering import RememberingSolver
from lit_grpo.environment.solver.solver import Solver, SolverFailure
from lit_grpo.rewards.components import RewardWeights
from lit_grpo.rewards.composite import composite_reward

Message = Mapping[str, object]
"""One message of a conversation: ``role``, ``content``, and what TRL adds."""

PromptRow = dict[str, object]
"""``prompt``: messages; ``id`` of the task; ``task``: its whole record as JSON, from which the reward is computed."""

ONE_TURN = EpisodeSettings(max_turns=1, max_malformed=1)


class LogMetric(Protocol):
    """What TRL offers a reward function to log a number with."""

    def __call__(self, name: str, value: float) -> None:
        """Log the number; TRL averages it over the calls between two log lines."""
        ...


class RewardFunction(Protocol):
    """What TRL calls a reward function: its keywords are TRL's, ``task`` is the column of the dataset."""

    __name__: str

    def __call__(
        self,
        *,
        completions: Sequence[Sequence[Message] | str],
        completion_ids: Sequence[Sequence[int]],
        task: Sequence[str],
        log_metric: LogMetric,
        **others: object,
    ) -> list[float | None]:
        """One reward in [0, 1] per completion; None where the solver broke."""
        ...


def one_turn_rows(tasks: Iterable[Task], solver: Solver, style: ObservationStyle) -> list[PromptRow]:
    """Rows for ``datasets.Dataset.from_list``: what `instructions` and the first observation say, as a conversation.

    Raises:
        ValueError: A task that takes more than one edit, which no answer of one turn could repair.
        SolverFailure: The solver broke.
    """
    settings = EpisodeSettings(max_turns=ONE_TURN.max_turns, max_malformed=ONE_TURN.max_malformed, style=style)
    return [prompt_row(task, solver, settings, instructions(style)) for task in tasks]


def repair_reward(solver: Solver, stop_ids: Collection[int], weights: RewardWeights | None = None) -> RewardFunction:
    """A reward function: each completion is played as the only turn of an episode and judged by the solver.

    Args:
        solver: Judges; asked once for each different program of a batch.
        stop_ids: Tokens that end a turn. A completion that ends with none of them was cut off, and is malformed
            whatever it holds, as in the package's own rollouts.
        weights: The weights of the composite reward; None: the default ones.
    """
    chosen = weights or RewardWeights()

    def solver_verified_reward(
        *,
        completions: Sequence[Sequence[Message] | str],
        completion_ids: Sequence[Sequence[int]],
        task: Sequence[str],
        log_metric: LogMetric,
        **others: object,
    ) -> list[float | None]:
        remembering = RememberingSolver(solver)
        tasks = {record: read_task(record) for record in set(task)}
        scores: list[RepairScore | None] = []
        for completion, ids, record in zip(completions, completion_ids, task, strict=True):
            cut_off = not ids or ids[-1] not in stop_ids
            scores.append(_one_turn_score(tasks[record], said(completion), cut_off, remembering))
        log_metric("verified", _share(score is not None and score.verified for score in scores))
        log_metric("faithful", _share(score is not None and score.faithful for score in scores))
        return [None if score is None else reward_of(score, chosen, ONE_TURN.max_turns) for score in scores]

    return solver_verified_reward


# --- what both forms share ----------------------------------------------------------------------------------------


def prompt_row(
    task: Task, solver: Solver, settings: EpisodeSettings, system: str, count_tokens: TokenCount | None = None
) -> PromptRow:
    """The row of a task; without a system message if ``system`` is empty. Errors: see `one_turn_rows`."""
    if len(task.fault.inverse) > settings.max_turns:
        raise ValueError(
            f"task {task.id}: expected a repair of at most {settings.max_turns} edits, got one of "
            f"{len(task.fault.inverse)}; choose other kinds in TaskSettings, or the form of several turns"
        )
    observation = RepairEpisode(task.problem, solver, settings, count_tokens).observation
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": observation})
    return {"prompt": messages, "id": task.id, "task": json.dumps(task_to_record(task))}


def read_task(record: str) -> Task:
    """The task of a row's ``task``; BenchmarkError, ValueError or ProgramError if it holds none."""
    return task_from_record(json.loads(record))


def reward_of(score: RepairScore, weights: RewardWeights, max_turns: int) -> float | None:
    """The composite reward; None, TRL's "no reward", where the solver gave no verdict."""
    return composite_reward(score, weights, max_turns) if score.verified else None


def said(completion: Sequence[Message] | str) -> str:
    """The text that answers a prompt: that of the only message, empty if it holds nothing but reasoning."""
    if isinstance(completion, str):
        return completion
    content = completion[0].get("content")
    return content if isinstance(content, str) else ""


def _one_turn_score(task: Task, text: str, cut_off: bool, solver: Solver) -> RepairScore | None:
    try:
        episode = RepairEpisode(task.problem, solver, ONE_TURN)
    except SolverFailure:
        return None
    episode.step(text, truncated=cut_off)
    return score_episode(episode.record(), task.fault, solver)


def _share(flags: Iterable[bool]) -> float:
    listed = list(flags)
    return sum(listed) / len(listed)
