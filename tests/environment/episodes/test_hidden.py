"""Episodes in which the conflict or the specification is hidden, and the rendering in which neither is.

1. Shown, as by default: the texts of whole episodes are byte for byte those that the package has always written.
2. With a hidden conflict every text of an episode is the same whatever the solver says of conflicts and violations, in
   both styles and under both rules; shown, they differ.
3. `get_conflict` is refused in words, and costs its step; `inspect` answers the range alone.
4. With a hidden specification the texts are the same whatever it says: those of a program without one.
5. Nothing else changes: status, objective, score, the conflict that scoring reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from random import Random

import pytest
from audit_policies.searchers import random_move
from desk_problem import FAULT, FAULTY, HOURS, ORDERS, PROBLEM, REPAIR, turn

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import GetConflict, Inspect, Move, Restore, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason, TurnResult
from lit_grpo.environment.episodes.scoring import score_episode
from lit_grpo.environment.policies.baselines import BaselineView
from lit_grpo.environment.programs.edits import SetRhs
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.programs.specification import RepairProblem, Sentence, Specification
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, Solution, Solver, Violation

SOLVER = HighsSolver()
STYLES = tuple(ObservationStyle)
RULES = [EpisodeSettings(style=style, undo_if_still_infeasible=undo) for style in STYLES for undo in (False, True)]
AS_EVER = "2a9f7aada75912e8b511d86448695851c60d1bd1b355b417b5e988e90889acb8"
"""SHA-256 of all `texts` over `tasks` and `RULES`, as the package wrote them before anything could be hidden."""


def tasks() -> list[Task]:
    sizes = [TaskSettings(size=size) for size in (ProgramSize.TINY, None)]
    return [generate_task(sizes[i % 2], Split.TRAIN, 5, i, SOLVER) for i in range(8)]


def moves(task: Task, num: int = 12) -> list[str]:
    """Random ones on the faulty program, a question for the conflict, and a way back."""
    rng = Random(task.id)
    view = BaselineView(task.fault.faulty, SOLVER.conflict(task.fault.faulty), 0, task.fault, SOLVER)
    asked = [turn(GetConflict()), turn(Restore()), turn(GetConflict())]
    drawn = (random_move(view, rng) for _ in range(20 * num))
    return [*islice((render(move) for move in drawn if _is_moderate(move)), num), *asked]


def _is_moderate(move: Move) -> bool:
    """Whether its numbers are of the size of the programs' own, which an edit may always write."""
    numbers = [value for value in json.loads(render(move)).values() if isinstance(value, int | float)]
    return all(value == 0 or 0.01 <= abs(value) <= 1e5 for value in numbers)


def texts(problem: RepairProblem, turns: Sequence[str], rules: EpisodeSettings, solver: Solver = SOLVER) -> list[str]:
    """All that an agent is shown: as many episodes as the turns take."""
    episode = RepairEpisode(problem, solver, rules)
    shown = [episode.observation]
    for text in turns:
        if episode.stop_reason is not None:
            episode = episode.another()
            shown.append(episode.observation)
        shown.append(episode.step(text).observation)
    return shown


@dataclass
class MisleadingSolver:
    """HiGHS, except that the conflict is everything, the other way round, and everything is violated by a sentinel."""

    highs: HighsSolver = field(default_factory=HighsSolver)

    def solve(self, program: LinearProgram) -> Solution:
        return self.highs.solve(program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        rows = [ConflictMember(ConflictPart.ROW, row.name) for row in reversed(program.constraints)]
        bounds = [ConflictMember(ConflictPart.UPPER, variable.name) for variable in program.variables]
        return Conflict((*rows, *bounds))

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        return tuple(Violation(m.element, 777777.5, m.part) for m in (self.conflict(program) or Conflict(())).members)


def test_1_shown_as_ever() -> None:
    digest = sha256()
    for task in tasks():
        for rules in RULES:
            for text in texts(task.problem, moves(task), rules):
                digest.update(text.encode() + b"\0")
    assert digest.hexdigest() == AS_EVER


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: f"{rules.style}-{rules.undo_if_still_infeasible}")
def test_2_a_hidden_conflict_reaches_no_text(rules: EpisodeSettings) -> None:
    hidden, misled = replace(rules, show_conflict=False), MisleadingSolver()
    for task in tasks():
        asked = [*moves(task), *(turn(Inspect(row.name)) for row in task.fault.faulty.constraints)]
        found = texts(task.problem, asked, hidden)
        assert texts(task.problem, asked, hidden, misled) == found
        assert texts(task.problem, asked, rules, misled) != texts(task.problem, asked, rules)
        assert not any("777777.5" in text or "* " in text.splitlines()[0] for text in found if text)


def test_2_the_first_text() -> None:
    compact, full = (
        RepairEpisode(PROBLEM, SOLVER, EpisodeSettings(style=style, show_conflict=False)).observation
        for style in (ObservationStyle.COMPACT, ObservationStyle.FULL)
    )
    # In the program's order, and without marks.
    assert [line.split()[0] for line in compact.splitlines()] == ["wood", "hours", "orders", "x", "y", "max"]
    assert full.endswith("[var:x] at most 40 desks .\n\nConflict: not shown.")


@pytest.mark.parametrize(
    ("style", "refusal", "inspected"),
    [
        (ObservationStyle.COMPACT, "conflict hidden", "hours 0 .. null"),
        (
            ObservationStyle.FULL,
            "conflict hidden: the conflict is not shown in these episodes. A step was spent.",
            "row:hours  1 x + 1 y <= 90\n  range within the bounds: 0 .. null",
        ),
    ],
)
def test_3_questions(style: ObservationStyle, refusal: str, inspected: str) -> None:
    episode = RepairEpisode(PROBLEM, SOLVER, EpisodeSettings(max_turns=3, style=style, show_conflict=False))
    answer = episode.step(turn(GetConflict(), HOURS))
    assert (answer.result, answer.observation) == (TurnResult.REFUSED, refusal)
    assert episode.step(turn(Inspect("hours"))).observation == inspected
    assert episode.step(turn(SetRhs("orders", 94.0))).result is TurnResult.APPLIED
    assert episode.stop_reason is StopReason.TURN_LIMIT
    assert episode.record().diagnosis == (HOURS,), "what is said beside a refused question counts"


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: f"{rules.style}-{rules.undo_if_still_infeasible}")
def test_4_a_hidden_specification_reaches_no_text(rules: EpisodeSettings) -> None:
    hidden = replace(rules, show_specification=False)
    for task in tasks():
        faulty, specification = task.problem.program, task.problem.specification
        assert specification is not None
        other = Specification(tuple(Sentence("31415.9 of zzz", s.about) for s in specification.sentences))
        found = texts(task.problem, moves(task), hidden)
        assert texts(RepairProblem(faulty, other), moves(task), hidden) == found
        assert texts(RepairProblem(faulty), moves(task), rules) == found
        assert not any(sentence.text in text for sentence in specification.sentences for text in found)
        assert texts(RepairProblem(faulty, other), moves(task), rules) != texts(task.problem, moves(task), rules)


@pytest.mark.parametrize("style", STYLES)
def test_5_the_rest_is_the_same(style: ObservationStyle) -> None:
    shown = EpisodeSettings(style=style)
    records = []
    for rules in (shown, replace(shown, show_conflict=False, show_specification=False)):
        episode = RepairEpisode(PROBLEM, SOLVER, rules)
        for text in (turn(SetRhs("orders", 94.0), ORDERS), REPAIR):
            episode.step(text)
        records.append(episode.record())
    one, other = records
    assert [(s.result, s.status, s.objective) for s in one.turns] == [
        (s.result, s.status, s.objective) for s in other.turns
    ]
    assert one.first_conflict == other.first_conflict == SOLVER.conflict(FAULTY)
    score = score_episode(other, FAULT, SOLVER)
    assert score == score_episode(one, FAULT, SOLVER)
    assert score.faithful
