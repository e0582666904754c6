"""Single checks of the checker, each held to its own reason.

A spoilt record is mostly refused for several reasons, so that test_corruptions.py does not notice the loss of one.

1. What JSON may not hold, of an object's keys and of its numbers.
2. Identity and inverse: a program of another split, rows in another order, an action that changes nothing, or that no
   agent may write.
3. A fault's numbers and its added row are such as a true program has.
4. A record fits its difficulty: the size, the conflict, the suspects of a tiny program.
5. Blame that is not the smallest; nouns that a tiny domain does not have; a line in another cell's file.
6. A number without a point, a figure off by a millionth, a sense that was made an equality, integers nearly integral.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from corrupted_texts import Fields
from handmade_records import action, bounds, chain, conflict_of, handmade, mps, plan, record, rhs, sealed

from lit_grpo.data.benchmark import task_to_record
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs import scale
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.suite_checker.case import Case
from lit_grpo.suite_checker.certificates import claim_failures, identity_failures
from lit_grpo.suite_checker.check import Place, check_line
from lit_grpo.suite_checker.difficulty import difficulty_failures
from lit_grpo.suite_checker.evidence import evidence_failures
from lit_grpo.suite_checker.native import native_failures
from lit_grpo.suite_checker.programs import Program, Row, Variable, apply_action
from lit_grpo.suite_checker.records import Record, read_record, split_of
from lit_grpo.suite_checker.repair import ROOM, inverse_failures
from lit_grpo.suite_checker.requirements import Judge, Requirement
from lit_grpo.suite_checker.strict_json import RecordError, read_object
from lit_grpo.suite_checker.tiny_specification import tiny_failures
from lit_grpo.suite_checker.variants import variant_of

HANDMADE = handmade()
P = plan()


def read(fields: Fields) -> Record:
    return read_record(json.dumps(fields, ensure_ascii=False))


def assert_said(found: Iterable[str], *reasons: str) -> None:
    """Each complaint is the one expected, and there is no other."""
    complaints = list(found)
    assert len(complaints) == len(reasons), complaints
    for complaint, reason in zip(complaints, reasons, strict=True):
        assert complaint.startswith(reason), complaint


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 1}', "expected each key once, got 'a' 2 times"),
        ('{"a": 1e999}', "expected finite numbers and no minus zero, got 1e999"),
        ('{"a": -0.0}', "expected finite numbers and no minus zero, got -0.0"),
        ('{"a": NaN}', "expected finite numbers, got NaN"),
        ('{"a": -0}', "expected whole numbers of at most 16 characters and no minus zero, got -0"),
    ],
)
def test_1_json_that_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RecordError) as error:
        read_object(text, "record")
    assert str(error.value) == reason


def figure(kind: str, **changed: object) -> Fields:
    return HANDMADE[kind] | {"certificate": HANDMADE[kind]["certificate"] | changed}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (HANDMADE["D"] | {"hint": 1}, "expected the keys id, domain"),
        (dict(reversed(HANDMADE["D"].items())), "expected the keys of the record in the order id, domain"),
        (figure("A", num_decoys=True), "expected certificate.num_decoys to be a whole number, got True"),
        (figure("A", conflict_size=2.0), "expected certificate.conflict_size to be a whole number, got 2.0"),
        # as near to 0 as two runs of a solver are to each other
        (figure("I", property_margin=-1e-6), "expected certificate.property_margin to be at least 0.0, got -1e-06"),
    ],
)
def test_1b_keys_and_numbers_that_are_refused(fields: Fields, reason: str) -> None:
    with pytest.raises(RecordError) as error:
        read(fields)
    assert str(error.value).startswith(reason)


def test_2_the_split_is_that_of_the_program() -> None:
    priced = (replace(P, costs=P.costs | {"x": float(k)}) for k in range(2, 500))
    trained_on = next(program for program in priced if split_of(program) == "train")
    fields = record("D", trained_on, [rhs("need", 40)], [rhs("need", 4)], ("wrong_rhs", 28.0, 28.0, 2, 1))
    assert_said(identity_failures(read(HANDMADE["D"])))
    assert_said(identity_failures(read(fields)), "expected the split test, got test; its original program is of train")


def test_2b_the_order_of_rows_is_restored() -> None:
    rows = P.rows | {"need": replace(P.rows["need"], rhs=40.0)}
    reordered = mps(replace(P, rows=dict(reversed(rows.items()))))
    assert_said(inverse_failures(read(HANDMADE["D"])))
    assert_said(
        inverse_failures(read(sealed(HANDMADE["D"] | {"faulty_mps": reordered}))),
        "expected inverse_actions to turn the faulty program into the original",
    )


def test_2c_an_action_that_changes_nothing_is_refused() -> None:
    actions = [rhs("need", 4), rhs("cap", 12)]
    idle = HANDMADE["D"] | {"inverse_actions": actions, "faulty_elements": ["row:need", "row:cap"]}
    assert_said(inverse_failures(read(idle)), "expected an inverse of 1 actions, one for each difference, got 2")


@pytest.mark.parametrize(
    ("value", "is_writable"), [(2_000_000, True), (2_100_000, False), (1e-4, True), (9e-5, False), (0, True)]
)
def test_2d_a_repair_that_no_agent_may_write(value: float, is_writable: bool) -> None:
    """From a ten-thousandth of 1 to ten thousand times 200; 0 always."""
    text = action("set_rhs", row="r", value=value)
    rows = {"r": Row({"x": 1.0}, "<=", 50.0)}
    faulty = Program(False, 0.0, {"x": 2.0}, {"x": Variable(0.0, 200.0, "continuous")}, rows)
    true, edit = apply_action(faulty, text)
    fields = {"inverse_actions": [text], "faulty_elements": ["row:r"]}
    found = inverse_failures(Record(fields, true, (faulty, true), (edit,)))
    assert_said(found, *([] if is_writable else ["expected an inverse of numbers from 0.0001 to 2e+06 in magnitude"]))
    assert scale.ROOM == ROOM


@pytest.mark.parametrize(
    ("value", "reasons"),
    [
        (40, ()),
        (999_999, ()),
        (40.5, ("expected whole numbers up to 999999, got 40.5",)),
        (1_000_000, ("expected whole numbers up to 999999, got 1000000.0",)),
    ],
)
def test_3_numbers_of_a_fault(value: float, reasons: tuple[str, ...]) -> None:
    fields = record("D", P, [rhs("need", value)], [rhs("need", 4)], ("wrong_rhs", value - 12.0, value - 12.0, 2, 1))
    assert_said(native_failures(read(fields)), *reasons)


@pytest.mark.parametrize(
    ("row", "is_native"),
    [
        (Row({"x": 1.0, "y": 1.0}, ">=", 40.0), True),
        (Row({"x": 1.0, "y": 1.0}, "=", 40.0), False),
        (Row({"x": 7.0, "y": 1.0}, ">=", 40.0), False),
        (Row({"x": 1.0, "y": -1.0}, ">=", 40.0), False),
        (Row({"x": 1.0, "z": 1.0}, ">=", 40.0), False),
    ],
)
def test_3b_an_added_row_is_on_the_pattern_of_a_true_one(row: Row, is_native: bool) -> None:
    faulty: Program = replace(P, rows=P.rows | {"extra": row})
    changed = {
        "faulty_mps": mps(faulty),
        "inverse_actions": [action("drop", row="extra")],
        "faulty_elements": ["row:extra"],
    }
    reasons = () if is_native else ("expected the added row extra on the pattern of a true one",)
    assert_said(native_failures(read(sealed(HANDMADE["D"] | changed))), *reasons)


CROSSED = record(
    "H",
    P,
    [bounds("z", 150, 100)],
    [bounds("z", 0, 100)],
    ("crossed_bounds", 145.0, 145.0, 1, 0),
    evidence={"conflicts": [conflict_of("lower z", "upper z")]},
)


@pytest.mark.parametrize(
    ("fields", "difficulty", "reasons"),
    [
        # Three variables: at most 3 // 2 = 1 other is asked for. Crossed bounds are a conflict of one element.
        (HANDMADE["D"], "medium", ("medium, got 3",)),
        (CROSSED, "medium", ("medium, got 3", "expected 1 to 8 others in the conflict of var:z at medium, got 0")),
        # Kind F, four variables: at most 4 // 2 + 3 = 5 others are asked for, and the chain has three links and t.
        (
            HANDMADE["F"],
            "medium",
            ("medium, got 4", "expected 5 to 9 others in the conflict of row:demand at medium, got 4"),
        ),
        (HANDMADE["E"], "hard", ("large, got 3", "expected 3 faults at hard, got 2")),
    ],
)
def test_4_what_does_not_fit_the_difficulty(fields: Fields, difficulty: str, reasons: tuple[str, ...]) -> None:
    """The first reason is the size."""
    size, *others = difficulty_failures(Case(read(fields | {"difficulty": difficulty}), Judge()), None)
    assert size.startswith("expected ")
    assert size.endswith(f"variables of production in size {reasons[0]}")
    assert_said(others, *reasons[1:])


def tiny_record(level: Difficulty) -> Fields:
    settings = TaskSettings(size=ProgramSize.TINY, kinds={FaultKind.SENSE: 1.0}, difficulties={level: 1.0})
    return json.loads(json.dumps(task_to_record(generate_task(settings, Split.TEST, 11, 0, HighsSolver()))))


def test_4b_suspects_of_a_tiny_program() -> None:
    fields = tiny_record(Difficulty.MEDIUM)  # certified with 3
    for level, limits in (("easy", "0 to 2"), ("hard", "4 to 4")):
        found = difficulty_failures(Case(read(fields | {"difficulty": level}), Judge()), "tiny")
        assert_said(found, f"expected {limits} suspects at {level}, got 3")
    assert_said(difficulty_failures(Case(read(fields), Judge()), "tiny"))


def test_5_blame_that_is_not_the_smallest_is_refused() -> None:
    """One link is written twice as large: to let it give way takes 160, and the others 80."""
    c = chain()
    doubled = replace(c, rows=c.rows | {"vu": Row({"v": 2.0, "u": -2.0}, "<=", 0.0)})
    honest = HANDMADE["F"]["certificate"]["evidence"]
    for blamed, reasons in (
        ("row:wv", ()),
        ("row:vu", ("expected relaxed to give way by 80.0 in sum, got ['row:vu'] by 160.0",)),
    ):
        figures = ("wrong_rhs", 80.0, 720.0, 5, 4)
        evidence = honest | {"relaxed": [blamed]}
        fields = record("F", doubled, [rhs("demand", 1000)], [rhs("demand", 100)], figures, evidence=evidence)
        assert_said(evidence_failures(Case(read(fields), Judge())), *reasons)


def test_5b_nouns_of_a_tiny_domain() -> None:
    fields = tiny_record(Difficulty.EASY)
    first, *rest = fields["specification"]
    noun = first["text"].split()[2]
    assert_said(tiny_failures(read(fields)))
    other = fields | {"specification": [first | {"text": first["text"].replace(noun, "wolves")}, *rest]}
    assert_said(tiny_failures(read(other)), "expected two of ")


def test_5c_a_record_in_another_cells_file() -> None:
    place, line = Place(Path("B_hard.jsonl"), 1), json.dumps(tiny_record(Difficulty.EASY), ensure_ascii=False)
    assert_said(
        check_line(place, line, Judge(), "tiny").failures,
        "expected a record of B hard in this file, got one of A easy",
    )


def test_6_a_number_without_a_point_is_refused() -> None:
    with pytest.raises(RecordError) as error:
        read(HANDMADE["D"] | {"original_objective": int(HANDMADE["D"]["original_objective"])})
    assert str(error.value).startswith("expected original_objective to be a number with a point")


@pytest.mark.parametrize(("change", "is_refused"), [(1e-6, True), (-1e-6, True), (1e-9, False)])
def test_6b_a_millionth(change: float, is_refused: bool) -> None:
    objective = HANDMADE["D"]["original_objective"]
    spoilt = HANDMADE["D"] | {"original_objective": objective + change * max(1.0, abs(objective))}
    reasons = ("expected the original to be optimal with objective",) if is_refused else ()
    assert_said(claim_failures(Case(read(spoilt), Judge())), *reasons)


def test_6c_a_sense_that_was_made_an_equality_has_no_variant() -> None:
    """Of two faults, so that it is no kind A: cap reversed as it should be, need made an equality."""
    senses = {"cap": (">=", "<="), "need": ("=", ">=")}
    wrong, true = ([action("set_sense", row=r, sense=s[i]) for r, s in senses.items()] for i in (0, 1))
    evidence = {"conflicts": [conflict_of("row cap"), conflict_of("row need")]}
    fields = record("E", P, wrong, true, ("reversed_sense+reversed_sense", 1.0, 1.0, 2, 0), evidence=evidence)
    with pytest.raises(RecordError) as error:
        variant_of(Case(read(fields), Judge()))
    assert str(error.value).startswith("expected the sense of an inequality reversed, got >= made = in need")


def test_6d_integers_that_are_nearly_integral_are_none() -> None:
    """y + z >= 1.5 at least cost y + 3 z + 50 x with y <= 999999 x: z = 1.5, as y = 1 takes x = 1; not x = 1e-6."""
    sides = {"link": ({"y": 1.0, "x": -999_999.0}, -inf, 0.0), "need": ({"y": 1.0, "z": 1.0}, 1.5, inf)}
    given = [Requirement(f"row:{n}", "row", tuple(terms.items()), *pair) for n, (terms, *pair) in sides.items()]
    for name in "xyz":
        terms = ((name, 1.0),)
        given += [
            Requirement(f"var:{name}", "lower", terms, lower=0.0),
            Requirement(f"var:{name}", "upper", terms, upper=9.0),
        ]
        given += [] if name == "z" else [Requirement(f"var:{name}", "integrality", terms)]
    least = Judge().extreme(tuple(given), {"x": 50.0, "y": 1.0, "z": 3.0}, maximize=False)
    assert least == pytest.approx(4.5, abs=1e-9)
