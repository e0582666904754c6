"""Dynamic sampling.

1. By hand: places without signal get new tasks until each has signal or the rounds are over; kept in their order.
2. Signal is decided on verified rewards by the advantage's own tolerance: 1e-9 apart is none, 1e-7 is.
3. Nothing is lost: what was played is what was kept and what was flat; extra attempts and tokens are those of refills.
4. However tasks are played, together, one by one or in shares of the places, the result is the same.
5. The step that is built counts the groups that are there, and no other.
6. A refill's task is a function of batch, round and place, for any number of ranks, and of no ordinary position.
7. Components may differ where totals do not; what an objective adds to the rewards counts for nothing.
8. No rounds at all, and a reward with noise, are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from repair_rollouts import collect, paid

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.splits import Split
from lit_grpo.data.task import RefillIndex, Task, TaskSettings, generate_task
from lit_grpo.data.training_tasks import TrainingTasks
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import GetConflict, Move, Restore, render
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.losses.base import UpdateTotals
from lit_grpo.losses.overlong import OverlongPenalty
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rewards.hybrid import HybridReward
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.estimation import (
    estimate_advantages,
    groups_with_signal,
    require_steady,
)
from lit_grpo.rollout.experience import build_experience
from lit_grpo.rollout.refill import DynamicSampling, RefilledGroups, refill
from lit_grpo.rollout.settings import PlaySettings
from lit_grpo.seeds import Seed

SETTINGS = PlaySettings(
    group_size=2,
    sampling=SamplingSettings(1.0, 80),
    episode=EpisodeSettings(max_turns=2, style=ObservationStyle.COMPACT),
)
MOVES = [render(Move(GetConflict())), render(Move(Restore()))]
MakeEngine = Callable[..., ScriptedEngine]
Play = Callable[[Sequence[Task]], list[RepairGroup]]


def varied(request: GenerationRequest) -> str:
    """A function of the seed, as a sampled turn is."""
    return Random(request.seed).choice(MOVES)


def rewarded(group: RepairGroup, totals: Sequence[float], verified: Sequence[bool] = (True, True)) -> RepairGroup:
    scores = tuple(replace(score, verified=flag) for score, flag in zip(group.scores, verified, strict=True))
    return replace(group, rewards=tuple(map(paid, totals)), scores=scores)


@pytest.fixture
def play(solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine) -> Play:
    """Attempts that earn by their first turn: one task in two has two attempts that earn alike."""

    def run(tasks: Sequence[Task]) -> list[RepairGroup]:
        groups = collect(tasks, scripted(varied), solver, conversation, SETTINGS, run_seed=1, batch=5)
        firsts = [[float(attempt.turns[0].text == MOVES[0]) for attempt in group.attempts] for group in groups]
        return [rewarded(group, totals) for group, totals in zip(groups, firsts, strict=True)]

    return run


@pytest.fixture(scope="module")
def stream() -> TrainingTasks:
    return TrainingTasks(TaskSettings(size=ProgramSize.TINY), seed=Seed(0), num_tasks=6, rank=0, world_size=1)


def signal(groups: Sequence[RepairGroup]) -> list[bool]:
    return groups_with_signal(groups, AdvantageEstimator.GROUP, CompositeReward())


def refilled(
    play: Play, stream: TrainingTasks, places: Sequence[int] = range(6), max_rounds: int = 3
) -> RefilledGroups:
    tasks = stream.of_batch(5)
    return refill(
        play([tasks[place] for place in places]),
        DynamicSampling(max_rounds),
        draw=lambda number, missing: stream.refill(5, number, [places[at] for at in missing]),
        play=play,
        has_signal=signal,
    )


def test_1_by_hand(play: Play, tasks: list[Task]) -> None:
    """Places 0 1 2; signal: no yes no, then place 0 yes and 2 no, then place 2 no."""
    a, b, c, d = play(tasks)
    flat, live = (
        [rewarded(group, (1.0, 1.0)) for group in (a, b, c, d)],
        [rewarded(g, (0.0, 1.0)) for g in (a, b, c, d)],
    )
    plays = iter([[live[3], flat[0]], [flat[1]]])
    asked: list[tuple[int, list[int]]] = []

    def draw(number: int, places: Sequence[int]) -> list[Task]:
        asked.append((number, list(places)))
        return tasks[: len(places)]

    result = refill([flat[0], live[1], flat[2]], DynamicSampling(2), draw, lambda tasks: next(plays), signal)
    assert asked == [(1, [0, 2]), (2, [2])]
    assert result.kept == (replace(live[3], refill_round=1, place=0), live[1])
    assert [len(groups) for groups in result.rounds] == [3, 2, 1]
    assert len(result.played) - len(result.kept) == 4
    # Nothing is missing: nothing is drawn.
    assert refill([live[0]], DynamicSampling(2), draw, play, signal).rounds == ((live[0],),)
    assert len(asked) == 2


def test_2_what_signal_is(play: Play, tasks: list[Task]) -> None:
    (group,) = play(tasks[:1])
    pairs = [(0.3, 0.3), (0.3, 0.3 + 1e-9), (0.3, 0.3 + 1e-7), (0.1 + 0.2, 0.3)]
    assert signal([rewarded(group, pair) for pair in pairs]) == [False, False, True, False]
    assert signal([rewarded(group, (0.0, 1.0), (True, False)), rewarded(group, (0.0, 1.0))]) == [False, True]


def test_3_nothing_is_lost(play: Play, stream: TrainingTasks) -> None:
    result = refilled(play, stream)
    assert 6 < len(result.played) < 24
    assert sum(signal(result.played)) == len(result.kept)
    extra = [attempt for group in result.played[6:] for attempt in group.attempts]
    assert result.num_extra_attempts == len(extra)
    assert result.num_extra_tokens == sum(attempt.num_sampled_tokens for attempt in extra)
    assert [group.refill_round for groups in result.rounds for group in groups] == [
        number for number, groups in enumerate(result.rounds) for _ in groups
    ]


def test_4_however_it_is_played(play: Play, stream: TrainingTasks) -> None:
    together = refilled(play, stream)
    one_by_one = refilled(lambda tasks: [group for task in tasks for group in play([task])], stream)
    assert one_by_one == together
    parts = (range(1), range(1, 4), range(4, 6))
    shares = [refilled(play, stream, places) for places in parts]
    assert len({len(share.rounds) for share in shares}) > 1, "expected shares that need different numbers of rounds"
    kept = [
        replace(group, place=places[group.place])
        for places, share in zip(parts, shares, strict=True)
        for group in share.kept
    ]
    assert tuple(kept) == together.kept
    assert {g.task.id for share in shares for g in share.played} == {group.task.id for group in together.played}


def test_5_totals_count_what_is_there(play: Play, stream: TrainingTasks) -> None:
    result = refilled(play, stream, max_rounds=1)
    assert 0 < len(result.kept) < 6
    attempts = [attempt for group in result.kept for attempt in group.attempts]
    num_tokens = sum(attempt.num_sampled_tokens for attempt in attempts)
    experience = build_experience(result.kept, AdvantageEstimator.GROUP, 4096)
    assert experience.totals == UpdateTotals(num_tokens, 2 * len(result.kept), len(result.kept))
    assert experience.batches == experience.batches_with_signal
    empty = build_experience((), AdvantageEstimator.GROUP, 4096)
    assert (empty.totals, empty.batches) == (UpdateTotals(0, 0, 0), ())


def test_6_a_task_by_its_place(stream: TrainingTasks, solver: HighsSolver) -> None:
    settings = TaskSettings(size=ProgramSize.TINY)
    expected = [generate_task(settings, Split.TRAIN, 0, RefillIndex(7, 2, place), solver) for place in range(6)]
    assert stream.refill(7, 2, range(6)) == expected
    for rank in (0, 1, 2):
        share = TrainingTasks(settings, Seed(0), 6, rank, world_size=3)
        assert share.refill(7, 2, [1, 0]) == [expected[2 * rank + 1], expected[2 * rank]]
        assert share.of_batch(7) == stream.of_batch(7)[2 * rank : 2 * rank + 2]
    others = [stream.refill(7, 1, range(6)), stream.refill(8, 2, range(6)), *(stream.of_batch(b) for b in range(9))]
    ids = [task.id for tasks in [expected, *others] for task in tasks]
    assert len(set(ids)) == len(ids)


def test_7_of_what_the_environment_pays(play: Play, tasks: list[Task]) -> None:
    (group,) = play(tasks[:1])
    first, second = group.attempts
    # 0.5 x 0.6 = 0.3 x 1: the same total from different components.
    alike = replace(group, rewards=(paid(0.3, outcome=0.6), paid(0.3, diagnosis=1.0)))
    assert groups_with_signal([alike], AdvantageEstimator.GROUP, CompositeReward()) == [False]
    assert groups_with_signal([alike], AdvantageEstimator.PER_COMPONENT, CompositeReward()) == [True]
    # A penalty that differs gives an advantage, and yet no reason to keep the group.
    longer = replace(second, turns=second.turns + second.turns)
    solved = replace(group, attempts=(first, longer), rewards=(paid(1.0), paid(1.0)))
    penalty = OverlongPenalty(longer.num_sampled_tokens, longer.num_sampled_tokens - first.num_sampled_tokens)
    estimated = estimate_advantages([solved], AdvantageEstimator.GROUP, CompositeReward(), penalty)
    assert estimated.has_signal.tolist() == [True]
    assert signal([solved]) == [False]


def test_8_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match=r"rollout\.dynamic_sampling\.max_rounds: expected at least 1, got 0"):
        DynamicSampling(0)
    require_steady(HybridReward())
    with pytest.raises(ValueError, match=r"rollout\.dynamic_sampling: expected a reward without noise"):
        require_steady(HybridReward(noise=0.5))
