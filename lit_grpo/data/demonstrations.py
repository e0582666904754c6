"""Demonstrations for supervised fine-tuning: the oracle's repair, in part of them after some tries that fail.

A wrong try is context and is not learned from; what is learned is the right move that follows it: the repair where the
rules take wrong tries back, and otherwise `restore` first. Without such demonstrations a model is lost after its first
mistake. Made once per task; read by DemonstrationDataModule. repair/likelihood.py asks how likely moves are that are
`spoken` in the same way.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.environment.episodes.actions import Move, Restore, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.observation import instructions
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.episodes.repairable import require_repairable
from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.programs.difference import elements_of, random_edit
from lit_grpo.environment.programs.edits import AgentEdit, apply, edited_element
from lit_grpo.environment.programs.program import LinearProgram, ProgramError
from lit_grpo.environment.solver.solver import Solver, SolverStatus
from lit_grpo.packing import Continuation, PromptGroup


@dataclass(frozen=True, slots=True)
class DemonstrationSettings:
    """How many demonstrations contain failures, and how many failures each."""

    share_with_wrong_tries: float = 0.3
    max_wrong_tries: int = 4
    """Each number from 1 to this is equally likely; with the repair, and going back, they fit the episode's turns."""
    share_found_one_by_one: float = 0.5
    """Share of the repairs of several edits of which only the last edit is learned. Those before it are context, each
    with its own element as its whole diagnosis, as of an agent that has found one fault and not yet the next. At 0
    every right edit of several names all elements and every wrong try names one: so to name one is to be told
    `restore` next, whether the edit was right or not."""

    def __post_init__(self) -> None:
        if not 0 <= self.share_with_wrong_tries <= 1 or self.max_wrong_tries < 1:
            raise ValueError(
                "expected 0 <= share_with_wrong_tries <= 1 and max_wrong_tries >= 1, got "
                f"{self.share_with_wrong_tries} and {self.max_wrong_tries}"
            )
        if not 0 <= self.share_found_one_by_one <= 1:
            raise ValueError(
                f"share_found_one_by_one: expected a share from 0 to 1, got {self.share_found_one_by_one}; 0 learns "
                "every edit of a repair"
            )


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
    moves: list[tuple[Move, bool]] = []
    for move in _wrong_moves(task, solver, episode_settings, settings, rng):
        moves.append((move, False))
        if not episode_settings.undo_if_still_infeasible:
            moves.append((Move(Restore()), True))
    moves += _repair(task.fault, settings, rng)
    continuation = spoken(moves, episode, conversation)
    assert continuation is not None, "the rules leave room for the repair"
    return PromptGroup(prompt, (continuation,))


def spoken(
    moves: Sequence[tuple[Move, bool]], episode: RepairEpisode, conversation: ConversationFormat
) -> Continuation | None:
    """What follows the prompt where an agent makes these moves, with what the episode answers in between.

    Args:
        moves: Each with whether its tokens are targets.
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
            _extend(tokens, is_target, conversation.continuation_ids(answer, closed=True), False)
        said = render(move)
        _extend(tokens, is_target, conversation.completion_ids(said), learned)
    return Continuation(tuple(tokens), tuple(is_target))


def _repair(fault: GroundTruth, settings: DemonstrationSettings, rng: random.Random) -> list[tuple[Move, bool]]:
    """The true edits in their order, each with whether it is learned."""
    *first, last = fault.inverse
    # Repairs of one edit draw nothing: their wrong tries are the same at any share.
    one_by_one = bool(first) and rng.random() < settings.share_found_one_by_one
    stated = [(edited_element(edit),) if one_by_one else fault.faulty_elements for edit in first]
    moves = [(Move.in_repair(edit, elements), not one_by_one) for edit, elements in zip(first, stated, strict=True)]
    return [*moves, (Move.in_repair(last, fault.faulty_elements), True)]


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


def _extend(tokens: list[int], is_target: list[bool], ids: tuple[int, ...], target: bool) -> None:
    tokens.extend(ids)
    is_target.extend([target] * len(ids))
