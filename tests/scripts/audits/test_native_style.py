"""The check of native style.

1. A leak made by hand is found by the family it is in, and by no other; also one in every fourth instance.
2. What tells nothing is found native.
3. The interval, its clusters and its verdicts, by hand.
4. Ties and several faulty elements count by their share.
5. What is asked about shares no original with what was learned from.
6. The eligible elements of each kind, by hand; the slots are of one sort and hold the faulty ones.
7. A line of the cache is the instance, and a second call makes nothing anew.
8. In the tasks that are generated the faulty element is among the slots of each kind.
9. All kinds come in one table.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from check_native_style import GROUPS, choices_of, found_by, markdown
from native_style.classifier import NUM_FOLDS, Choice, Finding, clustered_error, finding, first_picked, hits
from native_style.eligible import eligible_elements, slots_by_sort
from native_style.features import APART, FAMILIES, NUM_NAME_BUCKETS, features_of
from native_style.instances import Instance, Stream, from_line, instance_of, instances, to_line

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task, make_task
from lit_grpo.environment.domains.base import Domain, ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind, FaultyProgram, inject
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
    row_element,
    variable_element,
)
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.solver.highs import HighsSolver

SOLVER = HighsSolver()
VARIABLES = (Variable("x", 0.0, 9.0), Variable("y", 0.0, 9.0))


def row(name: str, sense: str, rhs: float, *terms: tuple[str, float]) -> Constraint:
    return Constraint(name, terms, Sense(sense), rhs)


def program_of(*rows: Constraint) -> LinearProgram:
    return LinearProgram(Direction.MAXIMIZE, (("x", 1.0), ("y", 1.0)), VARIABLES, rows)


def rows_with_a_leak(leak: str, share: float, rng: Random) -> tuple[list[Constraint], Constraint]:
    """Five rows in random order that differ in nothing but random names; in a share of the cases one has a mark."""
    names = rng.sample([f"card_{number}" for number in range(11, 40)], 5)
    rows = [row(name, "<=", float(rng.randint(11, 99)), ("x", 1.0), ("y", 2.0)) for name in names]
    plain = marked = rng.choice(rows)
    at = rows.index(plain)
    if rng.random() < share:
        if leak == "names":
            marked = replace(plain, name="force_x")
        elif leak == "positions":
            rows[at], rows[-1], at = rows[-1], plain, 4
        elif leak == "order of terms":
            marked = replace(plain, terms=plain.terms[::-1])
        elif leak == "digit formats":
            marked = replace(plain, rhs=plain.rhs + 0.5)
    rows[at] = marked
    return rows, marked


def leaking(leak: str, share: float, number: int) -> list[Choice]:
    rng, choices = Random(3), []
    for i in range(number):
        rows, marked = rows_with_a_leak(leak, share, rng)
        slots = tuple(row_element(r.name) for r in rng.sample(rows, 5))
        faulty = (row_element(marked.name),)
        choices += choices_of(Instance(str(i), Domain.PRODUCTION, program_of(*rows), faulty, (slots,)))
    return choices


@pytest.mark.parametrize("leak", FAMILIES)
def test_1_a_leak_is_found_by_its_family_alone(leak: str) -> None:
    choices = leaking(leak, 1.0, 300)
    found = found_by(choices, 0, (leak, (leak,)))
    assert found.chance == pytest.approx(0.2)
    assert found.accuracy > 0.98
    assert found.verdict == "tells"
    blind = found_by(choices, 0, ("the others", [family for family in FAMILIES if family != leak]))
    assert blind.accuracy < 0.3


def test_1a_a_leak_in_every_fourth_instance_is_found() -> None:
    """A quarter is picked for sure, the rest at chance: 25 + 75 / 5 = 40 %, twice what chance picks."""
    found = found_by(leaking("names", 0.25, 800), 0, ("style", FAMILIES))
    assert found.verdict == "tells"
    assert 0.3 < found.accuracy < 0.5


def test_2_what_tells_nothing_is_native() -> None:
    choices = leaking("names", 0.0, 2000)
    assert found_by(choices, 0, ("names", ("names",))).verdict == "native"
    order = found_by(choices[:100], 0, ("order of terms", ("order of terms",)))
    assert (order.above, order.half_width) == (pytest.approx(0.0, abs=1e-6), pytest.approx(0.0, abs=1e-6))


def test_3_an_upper_end_by_hand() -> None:
    """27 % picked, chance 25 %, half width 0.5, 1.5 or 2.5 points: upper ends +2.5, +3.5 and +4.5; the limit is +3."""
    narrow = Finding("names", 3000, 0.27, 0.25, 0.005)
    assert narrow.upper == pytest.approx(0.025)
    assert narrow.verdict == "native"
    assert replace(narrow, half_width=0.015).verdict == "tells"
    assert replace(narrow, half_width=0.025).verdict == "open: more instances"


def test_3a_the_error_of_clusters_by_hand() -> None:
    """Of 1, 1, -1, -1 the mean is 0. Apart: sqrt(4) / 4 = 1/2. In pairs of equals: sqrt(2^2 + 2^2) / 4 = 0.707."""
    differences = torch.tensor([1.0, 1.0, -1.0, -1.0])
    assert clustered_error(differences, list("abcd")) == pytest.approx(0.5)
    assert clustered_error(differences, list("aabb")) == pytest.approx(0.7071068)


def test_4_ties_and_several_faulty_ones_by_hand() -> None:
    """One best, faulty: 1. Three alike, one of them faulty: 1/3. Two alike, both faulty: 1. Best is sound: 0."""
    scores = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
    faulty = torch.tensor([[1, 0, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1]]).bool()
    assert hits(scores, faulty).tolist() == pytest.approx([1.0, 1 / 3, 1.0, 0.0])


def test_4a_chance_is_the_share_of_faulty_slots() -> None:
    """One of two, and two of four: a half each."""
    none: dict[str, list[float]] = {"names": [0.0]}
    choices = [Choice(str(i), [none] * n, [j < n // 2 for j in range(n)]) for i, n in enumerate([2, 4] * 20)]
    found = finding("names", ("names",), choices)
    assert (found.chance, found.accuracy, found.half_width) == (0.5, 0.5, 0.0)


def test_4b_always_the_first_needs_no_training() -> None:
    """The marked row stands last, and is never the first eligible one; without a leak it is so in a fifth."""
    assert first_picked("first", leaking("positions", 1.0, 50)).accuracy == 0.0
    at_random = first_picked("first", leaking("names", 1.0, 2000))
    assert (at_random.chance, at_random.verdict) == (pytest.approx(0.2), "native")


def test_5_what_is_learned_by_heart_is_of_no_use() -> None:
    """Six copies of each of 60 originals, with features that tell nothing: copies are found if they may be learned."""
    assert {Choice(str(i), [], []).fold for i in range(50)} == set(range(NUM_FOLDS))
    rng, together, apart = Random(5), [], []
    for i in range(60):
        features = [{"names": [rng.gauss(0.0, 1.0) for _ in range(24)]} for _ in range(4)]
        faulty = rng.randrange(4)
        for copy in range(6):
            together.append(Choice(str(i), features, [slot == faulty for slot in range(4)]))
            apart.append(replace(together[-1], original=f"{i} {copy}"))
    torch.manual_seed(0)
    assert finding("names", ("names",), together).accuracy < 0.4
    assert finding("names", ("names",), apart).accuracy > 0.6


# x + y reaches from 12 to 14: rc asks for 12, so x >= 3 and y >= 7; rb allows x <= 5, and y <= 9.
WORKED = program_of(
    row("ra", "<=", 30.0, ("x", 1.0), ("y", 1.0)),
    row("rb", "<=", 5.0, ("x", 1.0)),
    row("rc", ">=", 12.0, ("x", 1.0), ("y", 1.0)),
    row("rd", "<=", 300.0, ("y", 1.0)),
    row("re", "<=", 25.0, ("x", 1.0), ("y", -2.0)),
)
# A: what the others imply: ra (14 < 30), rd (9 < 300), re (5 - 14 < 25).
# B: x from 6, where rb allows 5; x up to 2, or y up to 6, where rc needs 3 and 7.
# C: 10 x + y is 39 at least, over 30 in ra; 10 x is 30 at least, over 5 in rb; without x or y, rc is out of reach.
#    10 y in rd is 90 at most; in re no slip reaches 25: 10 x - 2 y and x + 2 y come down to 12 and 19.
# D: less than 12 in ra, 3 in rb, 7 in rd; more than 14 in rc; in re x - 2 y comes down to -15, and no number below 0 is
#    native to it.
ANY = ("row:ra", "row:rb", "row:rc", "row:rd", "var:x", "var:y")
ELIGIBLE = {
    "A": ("row:ra", "row:rd", "row:re"),
    "B": ("var:x", "var:y"),
    "C": ("row:ra", "row:rb", "row:rc"),
    "D": ("row:ra", "row:rb", "row:rc", "row:rd"),
    "E": (*ANY, "row:re"),
    "F": (*ANY, "row:re"),
    "G": (*ANY, "row:re"),
    "H": ("var:x", "var:y"),
    # re is open to a slip of A alone, and counts x and y unlike.
    "I": ANY,
}


def worked_task(program: LinearProgram, kind: str, difficulty: Difficulty, variant: str = "reversed_sense") -> Task:
    """A task that says it is of the kind; what its fault is does not matter to what is eligible."""
    fault = inject(program, FaultKind.BOUND_OR_TYPE, Difficulty.EASY, Random(0), SOLVER, ("rf",))
    assert isinstance(fault, FaultyProgram)
    said = replace(fault.certificate, variant=variant)
    fault = replace(fault, kind=FaultKind(kind), difficulty=difficulty, certificate=said)
    return make_task(Domain.PRODUCTION, Specification(()), fault)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_6_the_eligible_ones_by_hand(kind: FaultKind) -> None:
    assert eligible_elements(worked_task(WORKED, kind.value, Difficulty.EASY), SOLVER) == set(ELIGIBLE[kind.value])


def test_6a_an_added_row_could_stand_for_any() -> None:
    task = worked_task(WORKED, "D", Difficulty.EASY, "added_row")
    assert eligible_elements(task, SOLVER) == {row_element(r.name) for r in WORKED.constraints}


def test_6b_bounds_that_cross_are_for_easy_only() -> None:
    """x <= 5 alone: x from 6 contradicts it, y has no row; both could have their bounds crossed."""
    program = program_of(row("ra", "<=", 5.0, ("x", 1.0)))
    assert eligible_elements(worked_task(program, "H", Difficulty.EASY), SOLVER) == {"var:x", "var:y"}
    assert eligible_elements(worked_task(program, "H", Difficulty.HARD), SOLVER) == {"var:x"}


def test_6c_slots_are_of_the_faulty_ones_sorts() -> None:
    fault = replace(worked_task(WORKED, "E", Difficulty.EASY).fault, faulty_elements=(row_element("rb"),))
    able = {row_element("ra"), variable_element("x")}
    assert slots_by_sort(fault, able) == [["row:ra", "row:rb"]]
    fault = replace(fault, faulty_elements=(variable_element("y"), row_element("ra")))
    assert slots_by_sort(fault, able) == [["row:ra"], ["var:x", "var:y"]]


def test_7_a_line_is_the_instance_and_the_cache_is_used(tmp_path: Path) -> None:
    stream = Stream(FaultKind.RIGHT_HAND_SIDE, ProgramSize.SMALL, 0)
    with ProcessPoolExecutor(1) as pool:
        made = instances(stream, 5, tmp_path, pool)
        written = (tmp_path / stream.file_name).read_bytes()
        assert instances(stream, 5, tmp_path, pool) == made
    assert (tmp_path / stream.file_name).read_bytes() == written
    assert [from_line(to_line(instance)) for instance in made] == made
    open_above = replace(made[0], program=program_of())
    open_above = replace(open_above, program=replace(open_above.program, variables=(Variable("x"),)))
    assert from_line(to_line(open_above)) == open_above


@pytest.mark.parametrize("kind", list(FaultKind))
def test_8_the_faulty_ones_are_among_the_slots(kind: FaultKind) -> None:
    settings = TaskSettings(size=ProgramSize.SMALL, kinds={kind: 1.0}, difficulties={Difficulty.EASY: 1.0})
    for index in range(3):
        task = generate_task(settings, Split.TRAIN, 5, index, SOLVER)
        instance = instance_of(task, SOLVER)
        assert {slot for slots in instance.slots for slot in slots} >= set(task.fault.faulty_elements)
        assert all(set(slots) & set(task.fault.faulty_elements) for slots in instance.slots)
        assert instance_of(replace(task, specification=Specification(())), SOLVER).slots == instance.slots
        for slots in instance.slots:
            features = features_of(slots, instance.program, instance.domain)
            assert [list(seen) for seen in features] == [[*FAMILIES, *APART]] * len(slots)
            assert len({len(seen["names"]) for seen in features}) == 1
            assert len(features[0]["names"]) == NUM_NAME_BUCKETS + 6
    assert [name for name, _ in GROUPS] == [*FAMILIES, "style together", *APART]


def test_9_the_table_of_all_kinds_by_hand() -> None:
    found = [Finding(name, 3000, 0.271, 0.25, 0.005) for name, _ in GROUPS]
    lines = markdown({FaultKind.SENSE: found, FaultKind.DISTANT: found}).splitlines()
    assert lines[:4] == [
        "|  | A | F |",
        "| --- | --- | --- |",
        "| choices | 3000 | 3000 |",
        "| chance, % | 25.0 | 25.0 |",
    ]
    assert lines[4] == "| names | +2.1 ± 0.5 | +2.1 ± 0.5 |"
    assert lines[-1] == "| apart: slacks | +2.1 ± 0.5 | +2.1 ± 0.5 |"
