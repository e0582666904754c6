"""A specification at each level, byte for byte on a problem worked by hand.

1. Compact: above BESIDE every sentence stands on the objective's line. Labels say the element, and a name that they say
   is not said again; names stay, or are put in front where a sentence has none; prose names no row.
2. Full: labels open lines; names and prose are one paragraph.
3. Prose: the order is a function of the text alone, and not always the same.
4. A user's plain text is the same at every level.
5. An element that the program does not have is neither labelled nor named.
6. Of generated tasks: every level shows every number of the text, PROSE refers to no row, and does not depend on what
   elements the program has.
7. An episode shows its rules' level, and with a hidden specification no level at all.
"""

import re
from collections import Counter
from dataclasses import replace

import pytest
from desk_problem import PROBLEM

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize, Wordings
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.levels import SpecificationLevel, as_one_text
from lit_grpo.environment.episodes.observation import ObservationStyle, initial_observation
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.program import Constraint, Direction, Element, LinearProgram, Sense, Variable
from lit_grpo.environment.programs.specification import RepairProblem, Sentence, Specification
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict

ROW, SPARE, X = Element("row:ra"), Element("row:rb"), Element("var:x")
PROGRAM = LinearProgram(
    Direction.MAXIMIZE,
    (("x", 7.0),),
    (Variable("x", 0.0, 40.0),),
    (
        Constraint("ra", (("x", 3.0),), Sense.LESS_EQUAL, 19.0),
        Constraint("rb", (("x", 1.0),), Sense.GREATER_EQUAL, 8.0),
    ),
)
TEXT = Specification(
    (
        Sentence("goal : most profit , 7 per x ."),
        Sentence("ra : wood 3 per x , at most 190 .", ROW),
        Sentence("We owe at least 8 desks (rb).", SPARE),
        Sentence("At most 40 desks.", X),
    )
)
ALGEBRA = "ra 3 x <= 19\nrb 1 x >= 8\nx 0 .. 40\nmax 7 x"
BESIDE, LABELLED, NAMED, PROSE = SpecificationLevel


def shown(level: SpecificationLevel, style: ObservationStyle, specification: Specification = TEXT) -> str:
    return initial_observation(RepairProblem(PROGRAM, specification), Conflict(()), style, level=level)


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (
            LABELLED,
            "goal : most profit , 7 per x . row:ra: wood 3 per x , at most 190 . row:rb: We owe at least 8 desks (rb). "
            "var:x: At most 40 desks.",
        ),
        (
            NAMED,
            "goal : most profit , 7 per x . ra : wood 3 per x , at most 190 . We owe at least 8 desks (rb). "
            "x : At most 40 desks.",
        ),
    ],
)
def test_1_compact(level: SpecificationLevel, text: str) -> None:
    assert shown(level, ObservationStyle.COMPACT) == f"{ALGEBRA} | {text}"


def test_1b_prose() -> None:
    algebra, text = shown(PROSE, ObservationStyle.COMPACT).split(" | ")
    assert algebra == ALGEBRA
    told = ["goal : most profit , 7 per x .", "wood 3 per x , at most 190 .", "We owe at least 8 desks."]
    assert sorted(re.split(r"(?<=\.) ", text)) == sorted([*told, "At most 40 desks."])


@pytest.mark.parametrize(
    ("level", "lines"),
    [
        (BESIDE, ["  goal : most profit , 7 per x .", "  [row:ra] ra : wood 3 per x , at most 190 ."]),
        (LABELLED, ["  goal : most profit , 7 per x .", "  row:ra: wood 3 per x , at most 190 ."]),
        (NAMED, ["  goal : most profit , 7 per x . ra : wood 3 per x , at most 190 . We owe at least 8 desks (rb). "]),
    ],
)
def test_2_full(level: SpecificationLevel, lines: list[str]) -> None:
    heading = "Specification, what the model is meant to say:"
    assert "\n".join([heading, *lines]) in shown(level, ObservationStyle.FULL)


def test_2b_prose_is_one_paragraph() -> None:
    full = shown(PROSE, ObservationStyle.FULL).split("\n\n")[2].splitlines()
    assert full[1:] == ["  " + shown(PROSE, ObservationStyle.COMPACT).split(" | ")[1]]


def test_3_the_order_of_prose() -> None:
    orders = Counter()
    for number in range(40):
        text = Specification(tuple(Sentence(f"{n} of task {number}.", X) for n in "abc"))
        once, again = (as_one_text(text, {X}, PROSE) for _ in range(2))
        assert once == again
        orders["".join(re.findall(r"\b([abc]) of", once))] += 1
    assert len(orders) == 6, "each of the 3! orders"


@pytest.mark.parametrize("style", list(ObservationStyle))
def test_4_a_plain_text_is_as_it_is(style: ObservationStyle) -> None:
    plain = Specification((Sentence("We saw oak (ra), 190 hours at most.\nra : see above."),))
    assert len({shown(level, style, plain) for level in SpecificationLevel}) == 1
    assert plain.text in shown(PROSE, style, plain)


def test_5_unknown_elements() -> None:
    text = Specification((Sentence("At least 3 lamps.", Element("row:gone")),))
    assert as_one_text(text, {ROW}, LABELLED) == as_one_text(text, {ROW}, NAMED) == "At least 3 lamps."


@pytest.mark.parametrize("wordings", list(Wordings))
@pytest.mark.parametrize("size", [ProgramSize.TINY, ProgramSize.SMALL])
def test_6_of_generated_tasks(size: ProgramSize, wordings: Wordings) -> None:
    solver = HighsSolver()
    for index in range(4):
        task = generate_task(TaskSettings(size=size, wordings=wordings), Split.TRAIN, 9, index, solver)
        known = {s.about for s in task.specification.sentences if s.about is not None}
        rows = {row.name for row in task.fault.faulty.constraints}
        numbers = sorted(re.findall(r"\d+", re.sub(r"\w+_\d+", "", task.specification.text)))
        for level in (LABELLED, NAMED, PROSE):
            text = as_one_text(task.specification, known, level)
            assert sorted(re.findall(r"\d+", re.sub(r"\w+_\d+", "", text))) == numbers
            refers = any(f"({row})" in text or f"{row} : " in text or f"row:{row}" in text for row in rows)
            assert refers is (level is not PROSE)
        assert as_one_text(task.specification, set(), PROSE) == as_one_text(task.specification, known, PROSE)


def test_7_an_episodes_rules() -> None:
    rules = EpisodeSettings(style=ObservationStyle.COMPACT)
    solver = HighsSolver()
    beside, prose = (
        RepairEpisode(PROBLEM, solver, replace(rules, specification=s)).observation for s in (BESIDE, PROSE)
    )
    assert beside == RepairEpisode(PROBLEM, solver, rules).observation != prose
    hidden = replace(rules, show_specification=False)
    assert (
        RepairEpisode(PROBLEM, solver, replace(hidden, specification=PROSE)).observation
        == RepairEpisode(PROBLEM, solver, hidden).observation
    )
