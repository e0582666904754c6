"""Turns tasks into attempts with scores and rewards: `play`, then `score`, then `pay`, or all three at once.

`collect_groups` is called by the rollout callback (training: several attempts per task), by the evaluation and by
experiments/player.py (one greedy attempt each). The result is that of the three one after the other, but an attempt is
scored as soon as it is over, while others are still being decoded. Plain functions, as usable from a script.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import RolloutEngine
from lit_grpo.environment.protocol import Environment, ProblemT, RecordT, ScoreT
from lit_grpo.rewards.base import Reward
from lit_grpo.rollout.attempts import Attempt, Group, ScoredGroup
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.play import Play, Players
from lit_grpo.rollout.settings import PlaySettings
from lit_grpo.rollout.teacher import Teacher
from lit_grpo.rollout.world_threads import Patience, WorldThreads


def collect_groups(
    tasks: Sequence[ProblemT],
    environment: Environment[ProblemT, RecordT, ScoreT],
    engine: RolloutEngine,
    conversation: ConversationFormat,
    settings: PlaySettings,
    seeds: Seeds,
    teacher: Teacher[ProblemT, RecordT] | None = None,
) -> list[ScoredGroup[ProblemT, RecordT, ScoreT]]:
    """Play every task ``group_size`` times to the end, score every attempt, and pay for it.

    Args:
        tasks: The tasks to play.
        environment: Answers every turn and judges the end.
        engine: Samples the turns; its conversations are released at the end.
        conversation: The policy's chat format.
        settings: Attempts, sampling, reward.
        seeds: The seeds of the draws.
        teacher: Says beside each turn what would have been right; None: nobody.

    Returns:
        One group per task, in the order of ``tasks``, attempts in order, whatever the order in which turns came back.

    Raises:
        ValueError: A prompt does not fit into the engine's context together with a completion (unless such tasks are
            left out), the environment's rules leave no room for a task, or the reward is for another kind of score.
    """
    for task in tasks:
        environment.require_playable(task)
    samplings = [settings.sampling] * settings.group_size
    scores: dict[int, ScoreT] = {}
    with WorldThreads(environment.num_threads, on_answer=engine.wake) as threads:

        def judge(key: int, task: ProblemT, attempt: Attempt[RecordT]) -> None:
            threads.ask(partial(environment.score, task, attempt.record), partial(scores.__setitem__, key))

        world, leave_out = environment.read_by(conversation.num_tokens), settings.leave_out_long_prompts
        players = Players(world, engine, conversation, samplings, seeds, leave_out, teacher)
        groups = Play(players, threads, on_end=judge).play(tasks)
    size = settings.group_size
    in_order = [tuple(scores[place * size + sample] for sample in range(size)) for place in range(len(groups))]
    return pay(groups, in_order, settings.reward, environment.max_turns, seeds)


def score(
    groups: Sequence[Group[ProblemT, RecordT]], environment: Environment[ProblemT, RecordT, ScoreT]
) -> list[tuple[ScoreT, ...]]:
    """The score of each attempt of each group, the same whenever it is asked for."""
    scores: list[list[ScoreT]] = [[] for _ in groups]
    with WorldThreads(environment.num_threads, on_answer=lambda: None) as threads:
        for group, own in zip(groups, scores, strict=True):
            for attempt in group.attempts:
                threads.ask(partial(environment.score, group.task, attempt.record), own.append)
        # Answers are taken up in the order of the questions.
        threads.take_up(Patience.ALL)
    return [tuple(own) for own in scores]


def pay(
    groups: Sequence[Group[ProblemT, RecordT]],
    scores: Sequence[tuple[ScoreT, ...]],
    reward: Reward[ScoreT],
    max_turns: int,
    seeds: Seeds,
) -> list[ScoredGroup[ProblemT, RecordT, ScoreT]]:
    """Attach scores and rewards to the attempts.

    Args:
        groups: The groups that were played.
        scores: The score of each attempt of each group.
        reward: The reward that pays for an attempt.
        max_turns: Most turns of an attempt.
        seeds: The seeds that the groups were played with; a reward with noise draws by them, too.

    Raises:
        ValueError: The reward is for another kind of score.
    """
    return [
        ScoredGroup(
            group.task,
            group.observation,
            group.prompt_ids,
            group.attempts,
            own,
            tuple(reward.of(s, max_turns, seeds.attempt(group.task.id, sample)) for sample, s in enumerate(own)),
            place=place,
        )
        for place, (group, own) in enumerate(zip(groups, scores, strict=True))
    ]
