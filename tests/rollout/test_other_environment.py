"""The loop with an environment that is not repairs, and playing apart from scoring.

1. A fake environment: texts go in, answers come out, an end, a record; the score is asked for each attempt once.
2. `play` needs no ground truth; `score` afterwards gives what `collect_groups` gives while others are still played.
3. A task that the rules leave no room for is refused before anything is played; so is a reward of other scores.
4. Attempts at one task may be sampled differently, and each is what it is alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from typing_extensions import override

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.episodes.actions import GetConflict, Move, Restore, render
from lit_grpo.environment.episodes.record import EpisodeRecord, EpisodeSettings
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.protocol import Cutoff, Environment, Verdict
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.repair.attempts import UserProblem
from lit_grpo.rewards.composite import CompositeReward
from lit_grpo.rewards.verdict import VerdictReward
from lit_grpo.rollout.collect import collect_groups, pay, score
from lit_grpo.rollout.open_attempt import Seeds
from lit_grpo.rollout.play import Players, play
from lit_grpo.rollout.settings import PlaySettings

MakeEngine = Callable[..., ScriptedEngine]
SAMPLING, SEEDS = SamplingSettings(1.0, 80), Seeds(3, 5)
TEXTS = [render(Move(GetConflict())), render(Move(Restore())), "nonsense"]


@dataclass(frozen=True)
class Word:
    id: str


class Spelling:
    """Ends with the last letter; every text counts as the letter that it begins with."""

    instructions, observation = "spell", "the word"

    def __init__(self, word: str) -> None:
        self.word, self.said, self.stop_reason = word, "", None

    def answer(self, text: str, truncated: bool) -> str:
        self.said += text[:1]
        self.stop_reason = "spelled" if len(self.said) == len(self.word) else None
        return f"{len(self.said)} of {len(self.word)}"

    def end(self, reason: Cutoff) -> None:
        self.stop_reason = reason

    def record(self) -> str:
        return self.said


class SpellingBee(Environment[Word, str, Verdict]):
    max_turns = 3

    def __init__(self) -> None:
        self.scored: list[str] = []

    @override
    def begin(self, problem: Word, num_attempts: int) -> Sequence[Spelling]:
        return [Spelling(problem.id) for _ in range(num_attempts)]

    @override
    def score(self, problem: Word, record: str) -> Verdict:
        self.scored.append(record)
        right = sum(one == other for one, other in zip(record, problem.id, strict=True))
        return Verdict(record == problem.id, right / len(problem.id))

    @override
    def require_playable(self, problem: Word) -> None:
        if len(problem.id) > self.max_turns:
            raise ValueError(f"{problem.id}: too long")


def varied(request: GenerationRequest) -> str:
    return TEXTS[request.seed % len(TEXTS)]


def test_1_a_fake_environment(conversation: ConversationFormat, scripted: MakeEngine) -> None:
    environment = SpellingBee()
    # Each task has two attempts: the first says a, a, ..., the second b, b, ...
    engine = scripted(lambda request: "ab"[request.conversation % 2])
    settings = PlaySettings(group_size=2, sampling=SAMPLING, reward=VerdictReward())
    words = [Word("aab"), Word("b")]
    first, second = collect_groups(words, environment, engine, conversation, settings, SEEDS)
    assert [attempt.record for attempt in (*first.attempts, *second.attempts)] == ["aaa", "bbb", "a", "b"]
    assert [[turn.answer for turn in attempt.turns] for attempt in first.attempts] == [
        ["1 of 3", "2 of 3", "3 of 3"]
    ] * 2
    assert sorted(environment.scored) == ["a", "aaa", "b", "bbb"]
    # Two of three letters, one of three, none of one, all.
    assert [reward.total for reward in (*first.rewards, *second.rewards)] == pytest.approx([2 / 3, 1 / 3, 0.0, 1.0])
    assert [verdict.success for verdict in second.scores] == [False, True]
    assert {attempt.stop_reason for group in (first, second) for attempt in group.attempts} == {"spelled"}
    assert "the word" in conversation.decode(first.prompt_ids)


def test_2_scored_later(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    environment = RepairEnvironment(EpisodeSettings(max_turns=3), solver)
    settings = PlaySettings(4, SAMPLING, environment.rules)
    at_once = collect_groups(tasks, environment, scripted(varied), conversation, settings, SEEDS)
    players: Players[GradedProblem, EpisodeRecord] = Players(
        environment, scripted(varied), conversation, [SAMPLING] * 4, SEEDS
    )
    played = play(tasks, players)
    scores = score(played, environment)
    assert scores == [group.scores for group in at_once]
    assert pay(played, scores, CompositeReward(), environment.max_turns, SEEDS) == at_once
    # The same programs without their originals are played alike, as far as no id is in a seed.
    users = [UserProblem(task.problem, task.id) for task in tasks]
    blind = play(users, Players(environment, scripted(varied), conversation, [SAMPLING] * 4, SEEDS))
    assert [group.attempts for group in blind] == [group.attempts for group in played]


def test_3_what_is_refused(conversation: ConversationFormat, scripted: MakeEngine) -> None:
    engine = scripted(lambda request: "a")
    settings = PlaySettings(1, SAMPLING, reward=VerdictReward())
    with pytest.raises(ValueError, match="abcd: too long"):
        collect_groups([Word("a"), Word("abcd")], SpellingBee(), engine, conversation, settings, SEEDS)
    assert engine.requests == []
    with pytest.raises(ValueError, match=r"rollout\.reward: expected one that pays Verdict, .* got CompositeReward"):
        collect_groups([Word("a")], SpellingBee(), engine, conversation, PlaySettings(1, SAMPLING), SEEDS)


def test_4_attempts_of_their_own(
    tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat, scripted: MakeEngine
) -> None:
    environment = RepairEnvironment(EpisodeSettings(max_turns=2), solver)
    greedy, user = SamplingSettings(0.0, 80), [UserProblem(tasks[0].problem)]
    (together,) = play(user, Players(environment, scripted(varied), conversation, [greedy, SAMPLING, SAMPLING], SEEDS))
    for size in (1, 2):
        (fewer,) = play(
            user, Players(environment, scripted(varied), conversation, [greedy, SAMPLING, SAMPLING][:size], SEEDS)
        )
        assert fewer.attempts == together.attempts[:size]
