"""A program that does not fit: the conflict and what is near it, within so many tokens.

1. What fits is shown whole: every text of an episode is the same in all bytes.
2. The layout, byte for byte, in both styles: the conflict first, then the nearest, what is left out, the objective.
3. The budget is kept, and each answer has a quarter of it: any program, conflict, text, style, level and way to count.
4. A long conflict, row, objective and text are cut, and the numbers of what is missing are true.
5. `inspect` of what is not shown says its algebra, its text and its rows; of what is shown, as ever.
6. What is not shown changes no byte: not its numbers, and not its sentences. The fault decides nothing.
7. Of a text of any length the sentences that name what is nearest are shown.
8. What cannot be is refused: too few tokens, a hidden conflict, nobody who counts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest
from desk_problem import PROBLEM, turn
from hypothesis import given, settings
from hypothesis import strategies as st
from large_programs import horizon
from random_programs import random_program

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.episodes.actions import GetConflict, Inspect, Relax, Restore
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.focused_view import ANSWER_SHARE, FocusedView
from lit_grpo.environment.episodes.inspection import Inspection
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import MIN_VIEW_TOKENS, EpisodeSettings
from lit_grpo.environment.episodes.room import Room, TokenCount
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.difference import elements_of
from lit_grpo.environment.programs.program import LinearProgram, row_element, variable_element
from lit_grpo.environment.programs.specification import RepairProblem, Sentence, Specification
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart

FULL, COMPACT = ObservationStyle.FULL, ObservationStyle.COMPACT
BESIDE, LABELLED, NAMED, PROSE = SpecificationLevel
SOLVER = HighsSolver()
FEW = 256
"""Tokens that show a few elements in either style."""
_TOKEN = re.compile(r"[A-Za-z_]+|\d|[^\sA-Za-z_\d]|\n")


def count(text: str) -> int:
    """Names and words, single digits, punctuation marks and line ends count one each."""
    return len(_TOKEN.findall(text))


COUNTS: list[TokenCount] = [count, lambda text: (len(text) + 3) // 4, lambda text: len(text.split())]


def described(program: LinearProgram) -> RepairProblem:
    """The program with a sentence about each element, which names it, and one about none."""
    sentences = [
        Sentence(f"{e.split(':')[1]} : this is what is meant by it , number {i} .", e)
        for i, e in enumerate(elements_of(program))
    ]
    return RepairProblem(program, Specification((Sentence("This is a plan ."), *sentences)))


def a_conflict(*names: str) -> Conflict:
    return Conflict(tuple(ConflictMember(ConflictPart.ROW, name) for name in names))


LARGE = described(horizon(60, Random(3)))
"""60 rows over 20 periods, of which period 10 asks for more than there can be."""
LARGE_CONFLICT = SOLVER.conflict(LARGE.program)


def view(
    problem: RepairProblem,
    conflict: Conflict | None,
    tokens: int,
    style: ObservationStyle = COMPACT,
    level: SpecificationLevel = BESIDE,
) -> FocusedView:
    return FocusedView(problem, conflict, style, level, Room(tokens, count))


@pytest.mark.parametrize("style", ObservationStyle)
@pytest.mark.parametrize("level", SpecificationLevel)
@pytest.mark.parametrize("undo", [False, True])
def test_1_what_fits_is_as_ever(style: ObservationStyle, level: SpecificationLevel, undo: bool) -> None:
    whole = EpisodeSettings(style=style, specification=level, undo_if_still_infeasible=undo)
    task = generate_task(TaskSettings(), Split.TEST, 5, 1, SOLVER)
    for problem in (PROBLEM, task.problem):
        row, variable = problem.program.constraints[0].name, problem.program.variables[0].name
        turns = [
            turn(Inspect(row)),
            turn(Inspect(variable)),
            turn(Relax(row, 1.0)),
            turn(Restore()),
            turn(GetConflict()),
        ]
        episodes = [RepairEpisode(problem, SOLVER, rules, count) for rules in (whole, replace(whole, view_tokens=8000))]
        texts = [[e.observation, *(e.step(text).observation for text in turns)] for e in episodes]
        assert texts[0] == texts[1]


def test_2_layout() -> None:
    assert LARGE_CONFLICT is not None
    compact = view(LARGE, LARGE_CONFLICT, FEW).first.splitlines()
    assert compact[:6] == [
        "* balance10 1 stock9 + 1 make10 - 1 stock10 = 261 | this is what is meant by it , number 30 .",
        "< stock9 0 .. 200 | this is what is meant by it , number 88 .",
        "< make10 0 .. 60 | this is what is meant by it , number 90 .",
        "> stock10 0 .. 200 | this is what is meant by it , number 91 .",
        # The rows that share the most variables with the conflict, in the program's order.
        "balance9 1 stock8 + 1 make9 - 1 stock9 = 22 | this is what is meant by it , number 27 .",
        "use10 1 make10 - 1 use10 <= 0 | this is what is meant by it , number 31 .",
    ]
    assert re.fullmatch(r"not shown : 5\d rows , 5\d variables", compact[-2])
    assert re.fullmatch(r"min 1 make0 \+ .* \.\.\. and \d+ more \| This is a plan \.", compact[-1])


def test_2_layout_of_the_full_style() -> None:
    assert LARGE.specification is not None
    problem = replace(LARGE, specification=Specification(LARGE.specification.sentences[:40]))
    model, specification, conflict = view(problem, LARGE_CONFLICT, 400, FULL).first.split("\n\n")[1:]
    lines = model.splitlines()
    assert lines[0] == "Model:"
    assert re.fullmatch(r"  min 1 make0 \+ .* \.\.\. and \d+ more", lines[1])
    assert lines[2] == "  row:balance10  1 stock9 + 1 make10 - 1 stock10 = 261"
    assert re.fullmatch(r"Not shown: 5\d rows, 5\d variables; inspect says of each by its name what it is\.", lines[-1])
    assert specification.splitlines()[1:3] == [
        "  This is a plan .",
        "  [row:balance10] balance10 : this is what is meant by it , number 30 .",
    ]
    assert re.fullmatch(r"  \.\.\. and 3\d more", specification.splitlines()[-1])
    assert conflict.splitlines()[1:] == [
        "  row:balance10",
        "  var:stock9 (upper bound)",
        "  var:make10 (upper bound)",
        "  var:stock10 (lower bound)",
    ]


@st.composite
def problems(draw: st.DrawFn) -> tuple[RepairProblem, Conflict | None]:
    """Any program, with texts of any length about anything, and any elements as its conflict."""
    rng = Random(draw(st.integers(0, 10**6)))
    program = random_program(rng, draw(st.integers(1, 40)), draw(st.integers(1, 40)), 0.3)
    elements = elements_of(program)
    words = [*(e.split(":")[1] for e in elements), "must", "be", "7.5", ".", "\n", ";"]
    sentences = [
        Sentence(" ".join(rng.choice(words) for _ in range(rng.choice([1, 5, 30, 400]))), rng.choice([None, *elements]))
        for _ in range(draw(st.integers(0, 30)))
    ]
    members = tuple(
        ConflictMember(
            ConflictPart.ROW if kind == "row" else rng.choice([ConflictPart.LOWER, ConflictPart.UPPER]), name
        )
        for kind, _, name in (e.partition(":") for e in elements if rng.random() < draw(st.sampled_from([0.05, 0.9])))
    )
    specification = draw(st.sampled_from([None, Specification(tuple(sentences))]))
    return RepairProblem(program, specification), draw(st.sampled_from([None, Conflict(members)]))


@settings(max_examples=25, deadline=None)
@given(
    problems(),
    st.integers(FEW, 1200),
    st.sampled_from(COUNTS),
    st.sampled_from(list(ObservationStyle)),
    st.sampled_from(list(SpecificationLevel)),
)
def test_3_the_budget_is_kept(
    posed: tuple[RepairProblem, Conflict | None],
    tokens: int,
    counting: TokenCount,
    style: ObservationStyle,
    level: SpecificationLevel,
) -> None:
    problem, conflict = posed
    shown = FocusedView(problem, conflict, style, level, Room(tokens, counting))
    assert counting(shown.first) <= tokens
    everything = Conflict(tuple(ConflictMember(ConflictPart.ROW, c.name) for c in problem.program.constraints))
    answers = [
        shown.conflict(problem.program, everything),
        shown.names(everything),
        *(shown.inspection([Inspection(e, -1.5, 2.0, 0.0)], problem.program) for e in elements_of(problem.program)),
    ]
    for answer in answers:
        assert counting(shown.bounded(answer)) <= tokens // ANSWER_SHARE
        if tokens >= 500:
            # Parts that are counted apart may take a token or two more where they meet; `bounded` is what holds.
            assert counting(answer) <= tokens // ANSWER_SHARE + 3, "lists are cut by their own pieces, not by words"


def test_4_a_long_conflict_is_cut_and_says_so() -> None:
    names = [row.name for row in LARGE.program.constraints]
    for style in ObservationStyle:
        shown = view(LARGE, a_conflict(*names), 400, style)
        (missing,) = re.findall(r"(\d+) of them in the conflict", shown.first)
        marked = re.findall(r"^\* |^  row:\S+$", shown.first, re.MULTILINE)
        assert len(marked) + int(missing) == 60
        assert 0 < len(marked) < 20
        if style is FULL:
            assert shown.first.endswith(f"  ... and {missing} more")
        later = shown.conflict(LARGE.program, a_conflict(*names))
        (missing,) = re.findall(r"\.\.\. and (\d+) more$", later)
        assert len(re.findall(r"^\* |^  row:", later, re.MULTILINE)) + int(missing) == 60
        named = shown.names(a_conflict(*names))
        (missing,) = re.findall(r"\.\.\. and (\d+) more", named)
        assert len(re.findall(r"balance\d|use\d|hours\d", named)) + int(missing) == 60


def test_4_a_long_row_is_cut_and_says_so() -> None:
    program = horizon(150, Random(0))
    wide = replace(program.constraints[0], name="wide", terms=tuple((v.name, 2.0) for v in program.variables))
    problem = RepairProblem(replace(program, constraints=(wide, *program.constraints)))
    shown = view(problem, a_conflict("wide"), FEW)
    line = shown.first.splitlines()[0]
    (missing,) = re.findall(r"\.\.\. and (\d+) more = ", line)
    assert line.startswith("* wide 2 make0 + 2 stock0 + ")
    assert line.count(" 2 ") + int(missing) == 150
    assert row_element("wide") not in shown.shown
    # Its coefficients are reached from its variables.
    answer = shown.inspection([Inspection(variable_element("use49"), 0.0, 1.0, 0.0)], problem.program)
    assert "use49 in wide 2 , use49 -1 , hours49 2" in answer


def test_5_inspection() -> None:
    for style, expected in (
        (
            COMPACT,
            "hours3 2 use3 <= 130 | this is what is meant by it , number 11 .\n"
            "hours3 0 .. null violation 0\n"
            "use3 0 .. null | this is what is meant by it , number 71 .\n"
            "use3 0 .. null violation 0\n"
            "use3 in use3 -1 , hours3 2",
        ),
        (
            FULL,
            "row:hours3  2 use3 <= 130\n"
            "  range within the bounds: 0 .. null; violation in a smallest relaxation of the program: 0\n"
            "  [row:hours3] hours3 : this is what is meant by it , number 11 .\n"
            "var:use3  0 .. null\n"
            "  range within the bounds: 0 .. null; violation in a smallest relaxation of the program: 0\n"
            "  [var:use3] use3 : this is what is meant by it , number 71 .\n"
            "  in rows that are not shown: use3 -1 , hours3 2",
        ),
    ):
        shown = view(LARGE, LARGE_CONFLICT, 500, style)
        infinite = float("inf")
        answers = [Inspection(e, 0.0, infinite, 0.0) for e in (row_element("hours3"), variable_element("use3"))]
        assert "\n".join(shown.inspection([answer], LARGE.program) for answer in answers) == expected


@pytest.mark.parametrize("style", ObservationStyle)
def test_5_inspection_of_what_is_shown_is_as_ever(style: ObservationStyle) -> None:
    rules = EpisodeSettings(style=style)
    whole, focused = (RepairEpisode(LARGE, SOLVER, r, count) for r in (rules, replace(rules, view_tokens=400)))
    for name in ("balance10", "make10"):
        answers = [episode.step(turn(Inspect(name))).observation for episode in (whole, focused)]
        assert answers[1].startswith(answers[0])
    assert "balance10 " in focused.observation
    assert len(focused.observation) < len(whole.observation) / 4


def test_5_the_conflict_after_an_edit_comes_with_what_was_not_shown() -> None:
    shown = view(LARGE, LARGE_CONFLICT, 400)
    text = shown.conflict(LARGE.program, a_conflict("balance10", "hours2"))
    assert text == (
        "* balance10 1 stock9 + 1 make10 - 1 stock10 = 261\n"
        "* hours2 2 use2 <= 130 | this is what is meant by it , number 8 ."
    )


@pytest.mark.parametrize("style", ObservationStyle)
@pytest.mark.parametrize("level", SpecificationLevel)
def test_6_what_is_not_shown_changes_no_byte(style: ObservationStyle, level: SpecificationLevel) -> None:
    assert LARGE.specification is not None
    shown = view(LARGE, LARGE_CONFLICT, 600, style, level)
    hidden = [row for row in LARGE.program.constraints if row_element(row.name) not in shown.shown]
    assert len(hidden) > 30
    rows = tuple(replace(r, rhs=7777.0 + r.rhs) if r in hidden else r for r in LARGE.program.constraints)
    other = RepairProblem(replace(LARGE.program, constraints=rows), LARGE.specification)
    assert view(other, LARGE_CONFLICT, 600, style, level).first == shown.first
    unseen = {row_element(row.name) for row in hidden}
    sentences = tuple(
        replace(s, text=s.text.replace("meant", "wanted")) if s.about in unseen else s
        for s in LARGE.specification.sentences
    )
    if level is BESIDE:
        other = RepairProblem(LARGE.program, Specification(sentences))
        assert view(other, LARGE_CONFLICT, 600, style, level).first == shown.first


def test_6_the_conflict_decides_what_is_shown_and_the_fault_does_not() -> None:
    conflict = SOLVER.conflict
    for index in range(6):
        task = generate_task(TaskSettings(kinds={FaultKind.RIGHT_HAND_SIDE: 1.0}), Split.TEST, 3, index, SOLVER)
        if task.fault.certificate.variant != "wrong_rhs":
            continue
        found = conflict(task.fault.faulty)
        faulty, true = (replace(task.problem, program=p) for p in (task.fault.faulty, task.fault.original))
        assert view(faulty, found, FEW).shown == view(true, found, FEW).shown
    elsewhere = view(LARGE, a_conflict("hours2"), FEW).shown
    assert not elsewhere & view(LARGE, LARGE_CONFLICT, FEW).shown


def test_7_a_users_text_of_any_length() -> None:
    filler = [f"Sentence {i} is about the weather." for i in range(2000)]
    text = " ".join([*filler[:1500], "In all, balance10 asks for 30.", "Use of hours3 is free.", *filler[1500:]])
    problem = RepairProblem(LARGE.program, Specification((Sentence(text),)))
    for level in SpecificationLevel:
        for style in ObservationStyle:
            shown = view(problem, LARGE_CONFLICT, 600, style, level)
            assert "In all, balance10 asks for 30." in shown.first
            said = len(re.findall(r"Sentence \d+ is about the weather\.", shown.first))
            said += len(re.findall(r"In all, balance10|Use of hours3", shown.first))
            assert f"... and {2002 - said} more" in shown.first
            if "hours3" not in shown.first:
                answer = shown.inspection([Inspection(row_element("hours3"), 0.0, 1.0, 0.0)], LARGE.program)
                assert "Use of hours3 is free." in answer


@pytest.mark.parametrize("level", [LABELLED, NAMED, PROSE])
def test_7_one_text_without_ties(level: SpecificationLevel) -> None:
    shown = view(LARGE, LARGE_CONFLICT, 600, COMPACT, level)
    *lines, last = shown.first.splitlines()
    assert not any("|" in line for line in lines)
    numbers = re.findall(r"number (\d+) \.", last)
    (missing,) = re.findall(r"\.\.\. and (\d+) more$", last)
    assert len(numbers) + ("This is a plan" in last) + int(missing) == 121
    if level is not PROSE:
        assert {"30", "88", "90", "91"} <= set(numbers), "those of the conflict"
        answer = shown.inspection([Inspection(row_element("hours2"), 0.0, 1.0, 0.0)], LARGE.program)
        assert "number 8 ." in answer
    else:
        answer = shown.inspection([Inspection(row_element("hours2"), 0.0, 1.0, 0.0)], LARGE.program)
        assert "number" not in answer, "prose says of no row what it means"


def test_8_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=f"view_tokens of at least {MIN_VIEW_TOKENS}, got 63; raise it"):
        EpisodeSettings(view_tokens=63)
    with pytest.raises(ValueError, match="expected show_conflict with view_tokens"):
        EpisodeSettings(view_tokens=1000, show_conflict=False)
    with pytest.raises(ValueError, match=r"episode\.view_tokens: expected somebody who counts tokens, got 1000"):
        RepairEpisode(PROBLEM, SOLVER, EpisodeSettings(view_tokens=1000))
    with pytest.raises(ValueError, match=r"expected room to say how much is left out, which takes \d+ tokens"):
        FocusedView(LARGE, LARGE_CONFLICT, FULL, BESIDE, Room(FEW, lambda text: 10 * len(text)))
