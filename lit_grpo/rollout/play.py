"""The one loop that plays: many multi-turn attempts at once, over one engine and one world.

Called by collect.py, which also scores (training, evaluation), and by whoever needs no verdict (repair/attempts.py,
experiments/policy_shift.py, a script). There is no barrier between turns: while an engine decodes in the background, an
attempt's next turn goes out as soon as the environment has answered its last one, whatever else is being decoded or
answered. The engine is talked to in one thread, the environment is asked in others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Generic

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import NO_WEIGHTS, Completion, FinishReason, RolloutEngine, SamplingSettings
from lit_grpo.environment.protocol import Episode, ProblemT, RecordT, World
from lit_grpo.rollout.attempts import Attempt, Group
from lit_grpo.rollout.open_attempt import OpenAttempt, Seeds
from lit_grpo.rollout.teacher import Teacher
from lit_grpo.rollout.world_threads import Patience, WorldThreads


@dataclass(frozen=True, slots=True)
class Players(Generic[ProblemT, RecordT]):
    """Who plays, and how: all that attempts depend on besides the tasks."""

    world: World[ProblemT, RecordT]
    """Answers every turn."""
    engine: RolloutEngine
    """Samples the turns; its conversations are released at the end."""
    conversation: ConversationFormat
    """The policy's chat format."""
    samplings: Sequence[SamplingSettings]
    """One for each attempt at a task, perhaps different ones; they set the number of attempts."""
    seeds: Seeds
    leave_out_long_prompts: bool = False
    """If a prompt does not fit, end the task's attempts as PROMPT, without a turn, instead of raising ValueError."""
    teacher: Teacher[ProblemT, RecordT] | None = None
    """Says beside each turn what would have been right, and speaks in some in the policy's place; None: nobody."""


def play(
    tasks: Sequence[ProblemT], players: Players[ProblemT, RecordT], num_threads: int = 1
) -> list[Group[ProblemT, RecordT]]:
    """Play every task to the end.

    Args:
        tasks: The tasks to play.
        players: Who plays, and how.
        num_threads: Questions that the world is asked at a time; more than one only if any thread may ask it.

    Returns:
        One group per task, in the order of ``tasks``, attempts in order, whatever the order in which turns came back.

    Raises:
        ValueError: A prompt does not fit into the engine's context together with a completion (unless such tasks are
            left out), or the world refuses a task.
    """
    with WorldThreads(num_threads, on_answer=players.engine.wake) as threads:
        return Play(players, threads).play(tasks)


@dataclass(slots=True)
class Play(Generic[ProblemT, RecordT]):
    """Tasks while they are played. ``on_end`` is told of each attempt as soon as it is over, and may ask more."""

    players: Players[ProblemT, RecordT]
    threads: WorldThreads
    on_end: Callable[[int, ProblemT, Attempt[RecordT]], None] = lambda key, task, attempt: None
    """Takes the attempt's number among all (task by task), its task and the attempt."""
    attempts: dict[int, OpenAttempt[ProblemT, RecordT]] = field(default_factory=dict)
    ended: dict[int, Attempt[RecordT]] = field(default_factory=dict)
    num_decoded: int = 0
    """Turns that the engine works on."""

    def play(self, tasks: Sequence[ProblemT]) -> list[Group[ProblemT, RecordT]]:
        """Play every task to its end, and wait for the answer to every question asked meanwhile."""
        engine, size = self.players.engine, len(self.players.samplings)
        for place, task in enumerate(tasks):
            self.threads.ask(partial(self.players.world.begin, task, size), partial(self._begin, place, task))
        while self.num_decoded or self.threads.num_asked:
            self.threads.take_up(self._patience())
            for completion in engine.wait() if self.num_decoded else ():
                self._take(completion)
        engine.release()
        return [self._group(place, task) for place, task in enumerate(tasks)]

    def _patience(self) -> Patience:
        if not self.players.engine.decodes_in_background:
            return Patience.ALL
        return Patience.NONE if self.num_decoded else Patience.FIRST

    # --- from the world's answers to turns, and back ----------------------------------------------------------------

    def _begin(self, place: int, task: ProblemT, episodes: Sequence[Episode[RecordT]]) -> None:
        """Send out the first turns of a task."""
        players = self.players
        prompt_ids = players.conversation.prompt_ids(episodes[0].instructions, episodes[0].observation)
        for sample, (episode, sampling) in enumerate(zip(episodes, players.samplings, strict=True)):
            key = place * len(episodes) + sample
            attempt = OpenAttempt(key, task, sample, sampling, prompt_ids, episode, prompt_ids)
            self.attempts[key] = attempt
            if players.leave_out_long_prompts:
                attempt.end_for_lack_of_room(players.engine.max_context_tokens)
            self._continue(attempt)

    def _take(self, completion: Completion) -> None:
        """Let the environment answer a turn."""
        self.num_decoded -= 1
        attempt = self.attempts[completion.conversation]
        text = self.players.conversation.decode(completion.token_ids)
        is_cut_off = completion.finish_reason is FinishReason.LENGTH
        self.threads.ask(
            partial(attempt.episode.answer, text, is_cut_off), partial(self._answer, attempt, completion, text)
        )

    def _answer(self, attempt: OpenAttempt[ProblemT, RecordT], completion: Completion, text: str, answer: str) -> None:
        """Append a turn and its answer to the context, and send out the next one."""
        attempt.append(completion, text, answer, self.players.conversation)
        attempt.end_for_lack_of_room(self.players.engine.max_context_tokens)
        self._continue(attempt)

    def _continue(self, attempt: OpenAttempt[ProblemT, RecordT]) -> None:
        """Ask for the next turn, or say that there is none."""
        if attempt.is_over:
            self.ended[attempt.key] = ended = attempt.finished()
            self.on_end(attempt.key, attempt.task, ended)
            return
        request, teacher = attempt.request(self.players.seeds), self.players.teacher
        self.num_decoded += 1
        if teacher is not None:
            lesson = teacher.oracle(attempt.task, attempt.episode)
            attempt.lesson_ids = self.players.conversation.completion_ids(lesson)
            if teacher.speaks(request.seed):
                self._take(Completion(attempt.key, attempt.lesson_ids, (), FinishReason.STOP, NO_WEIGHTS))
                return
        self.players.engine.submit(request, attempt.sampling)

    def _group(self, place: int, task: ProblemT) -> Group[ProblemT, RecordT]:
        size = len(self.players.samplings)
        keys = range(place * size, (place + 1) * size)
        first = self.attempts[keys[0]]
        return Group(task, first.episode.observation, first.prompt_ids, tuple(self.ended[key] for key in keys))
