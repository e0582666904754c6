"""Demonstrations for supervised fine-tuning: the oracle's repair, in part of them after some tries that fail.

A wrong try is context and is not learned from; what is learned is the right move that follows it: the repair where the
rules take wrong tries back, and otherwise `restore` first. Without such demonstrations a model is lost after its first
mistake. Or the oracle looks at some elements first that are as they should be: it inspects them, which leaves the
program as it is. That one looks, and does not edit, is learned; at what is not. Made once per task; read by
DemonstrationDataModule. repair/likelihood.py asks how likely moves are that are `spoken` in the same way.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.environment.episodes.actions import Inspect, Move, Restore, Submit, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.observation import instructions
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repairable import require_repairable
from lit_grpo.environment.programs.difference import elements_of, random_edit
from lit_grpo.environment.programs.edits import AgentEdit, apply, edited_element
from lit_grpo.environment.programs.program import LinearProgram, ProgramError
from lit_grpo.environment.solver.solver import Conflict, Solver, SolverStatus
from lit_grpo.packing import Continuation, PromptGroup


@dataclass(frozen=True, slots=True)
class DemonstrationSettings:
    """How many demonstrations contain failures, and how many failures each."""

    share_with_wrong_tries: float = 0.3
    max_wrong_tries: int = 4
    """Each number from 1 to this is equally likely; with the repair, and going back, they fit the episode's turns."""
    max_looks: int = 0
    """Without wrong tries, so many other elements of the conflict are inspected first, as far as there are as many, and
    turns for it; each number from 0 to this is equally likely."""

    def __post_init__(self) -> None:
        if not 0 <= self.share_with_wrong_tries <= 1 or self.max_wrong_tries < 1 or self.max_looks < 0:
            raise ValueError(
                "expected 0 <= share_with_wrong_tries <= 1, max_wrong_tries >= 1 and max_looks >= 0, got "
                f"{self.share_with_wrong_tries}, {self.max_wrong_tries} and {self.max_looks}"
            )


class Learned(Enum):
    """Which tokens of a move are targets."""

    NOTHING = "nothing"
    CHOICE = "choice"
    """What is done with the elements that the move has named: from the first token on in which it is not `submit`."""
    ALL = "all"


def demonstrate(
    task: Task,
    conversation: ConversationFormat,
    solver: Solver,
    episode_settings: EpisodeSettings,
    settings: DemonstrationSettings,
    seed: int,
) -> PromptGroup:
    """One demonstration of a task, played through the real episode.

    Args:
        task: Its certificate's inverse is the repair that is shown.
        conversation: Turns text into the model's tokens.
        solver: Answers every turn, the failing ones too.
        episode_settings: Rules and rendering, the same as in training and evaluation.
        settings: Share and number of wrong tries.
        seed: The choice of wrong tries is a function of it and of the task's id.

    Returns:
        The prompt with one continuation, in which only the oracle's tokens are targets.

    Raises:
        ValueError: The episode's rules do not let the repair be made: too few turns, or each edit of several undone.
    """
    require_repairable(task.fault, episode_settings)
    rng = random.Random(f"{seed}/{task.id}")
    episode = RepairEpisode(task.problem, solver, episode_settings, conversation.num_tokens)
    prompt = conversation.prompt_ids(instructions(episode_settings.style), episode.observation)
    moves: list[tuple[Move, Learned]] = []
    for move in _wrong_moves(task, solver, episode_settings, settings, rng):
        moves.append((move, Learned.NOTHING))
        if not episode_settings.undo_if_still_infeasible:
            moves.append((Move(Restore()), Learned.ALL))
    if not moves and settings.max_looks:
        looks = _looks(task, episode.first_conflict, episode_settings.max_turns, settings.max_looks, rng)
        moves += [(look, Learned.CHOICE) for look in looks]
    moves += [(Move(edit, task.fault.faulty_elements), Learned.ALL) for edit in task.fault.inverse]
    continuation = spoken(moves, episode, conversation)
    assert continuation is not None, "the rules leave room for the repair"
    return PromptGroup(prompt, (continuation,))


def spoken(
    moves: Sequence[tuple[Move, Learned]], episode: RepairEpisode, conversation: ConversationFormat
) -> Continuation | None:
    """What follows the prompt where an agent makes these moves, with what the episode answers in between.

    Args:
        moves: Each with which of its tokens are targets.
        episode: Has not begun yet; all moves but the last are taken.
        conversation: Turns text into the model's tokens.

    Returns:
        The tokens up to the end of the last move; None if the episode is over before that.
    """
    tokens: list[int] = []
    is_target: list[bool] = []
    said: str | None = None
    for move, learned in moves:
        answer = "" if said is None else episode.step(said).observation
        if episode.stop_reason is not None:
            return None
        if said is not None:
            answered = conversation.continuation_ids(answer, closed=True)
            tokens += answered
            is_target += [False] * len(answered)
        said = render(move)
        ids = conversation.completion_ids(said)
        tokens += ids
        is_target += _targets(move, ids, learned, conversation)
    return Continuation(tuple(tokens), tuple(is_target))


def _wrong_moves(
    task: Task, solver: Solver, episode_settings: EpisodeSettings, settings: DemonstrationSettings, rng: random.Random
) -> list[Move]:
    """Plausible moves that leave the program infeasible, each a different one.

    Where edits persist, each takes a second turn: to go back.
    """
    turns_each = 1 if episode_settings.undo_if_still_infeasible else 2
    room = (episode_settings.max_turns - len(task.fault.inverse)) // turns_each
    if room < 1 or rng.random() >= settings.share_with_wrong_tries:
        return []
    wanted = min(rng.randint(1, settings.max_wrong_tries), room)
    moves: dict[AgentEdit, Move] = {}
    for _ in range(20 * wanted):
        edit = _wrong_edit(task, rng)
        if len(moves) < wanted and edit not in moves and _stays_infeasible(task.fault.faulty, edit, solver):
            moves[edit] = Move(edit, (edited_element(edit),))
    return list(moves.values())


def _wrong_edit(task: Task, rng: random.Random) -> AgentEdit:
    """Half of them on the culprit itself (right place, wrong repair), half elsewhere."""
    fault = task.fault
    culprit = rng.random() < 0.5
    element = rng.choice(fault.faulty_elements if culprit else elements_of(fault.faulty))
    return random_edit(element, fault.faulty, rng)


def _stays_infeasible(program: LinearProgram, edit: AgentEdit, solver: Solver) -> bool:
    try:
        edited = apply(program, edit)
    except ProgramError:
        return False
    return edited != program and solver.solve(edited).status is SolverStatus.INFEASIBLE


def _targets(move: Move, ids: Sequence[int], learned: Learned, conversation: ConversationFormat) -> list[bool]:
    if learned is not Learned.CHOICE:
        return [learned is Learned.ALL] * len(ids)
    chosen = choice_of(move, ids, conversation)
    return [place >= chosen for place in range(len(ids))]


def choice_of(move: Move, ids: Sequence[int], conversation: ConversationFormat) -> int:
    """The place in a move's tokens at which it is said what is done: the first that is another one than of `submit`."""
    other = conversation.completion_ids(render(Move(Submit(), move.diagnosis)))
    return next(place for place, (token, of_other) in enumerate(zip(ids, other, strict=False)) if token != of_other)


def _looks(task: Task, conflict: Conflict | None, max_turns: int, max_looks: int, rng: random.Random) -> list[Move]:
    """Inspections of elements of the first conflict that are as they should be."""
    others = [e for e in (conflict.elements if conflict else ()) if e not in task.fault.faulty_elements]
    room = max_turns - len(task.fault.inverse)
    elements = rng.sample(others, min(rng.randint(0, max_looks), len(others), room))
    return [Move(Inspect(element.split(":", 1)[1]), (element,)) for element in elements]
