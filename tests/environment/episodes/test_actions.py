"""The grammar: what is written is read back exactly, and nothing else is ever read."""

from __future__ import annotations

import contextlib
import json
import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_grpo.environment.episodes.actions import (
    ACTION_KEYS,
    Action,
    GetConflict,
    Inspect,
    Malformed,
    Move,
    Relax,
    Restore,
    Submit,
    number_text,
    parse,
    render,
)
from lit_grpo.environment.programs.edits import DropRow, SetBounds, SetCoefficient, SetRhs, SetSense, SetType
from lit_grpo.environment.programs.program import (
    MAX_NAME_CHARACTERS,
    Constraint,
    Direction,
    Element,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
    validate,
)

NAMES = st.text(min_size=1, max_size=12).filter(str.isprintable)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-1000, 1000).map(float)
ACTIONS: st.SearchStrategy[Action] = st.one_of(
    st.builds(DropRow, NAMES),
    st.builds(Relax, NAMES, NUMBERS),
    st.builds(SetRhs, NAMES, NUMBERS),
    st.builds(SetSense, NAMES, st.sampled_from(Sense)),
    st.builds(SetCoefficient, NAMES, NAMES, NUMBERS),
    st.builds(SetBounds, NAMES, NUMBERS | st.just(-math.inf), NUMBERS | st.just(math.inf)),
    st.builds(SetType, NAMES, st.sampled_from(VariableType)),
    st.builds(Inspect, NAMES),
    st.sampled_from([GetConflict(), Restore(), Submit()]),
)
ELEMENTS = st.tuples(st.sampled_from(["row:", "var:"]), NAMES).map(lambda pair: Element("".join(pair)))
MOVES = st.builds(Move, ACTIONS, st.none() | st.lists(ELEMENTS, unique=True, max_size=4).map(tuple))
EXAMPLE = '{"diagnosis":["row:ra"],"action":"set_rhs","row":"ra","value":194}'


def _reason(text: str) -> str:
    answer = parse(text)
    assert isinstance(answer, Malformed), f"{text[:80]!r} was read as {answer}"
    assert "\n" not in answer.reason
    assert len(answer.reason) < 300
    return answer.reason


# 1. Every move survives being written and read.


@settings(max_examples=500, deadline=None)
@given(MOVES)
def test_parse_inverts_render(move: Move) -> None:
    assert parse(render(move)) == move


@settings(max_examples=200, deadline=None)
@given(NUMBERS)
def test_number_text_parses_back_to_the_same_float(value: float) -> None:
    assert float(number_text(value)) == value


def test_canonical_text() -> None:
    assert render(Move(SetRhs("ra", 194.0), (Element("row:ra"),))) == EXAMPLE
    assert (
        render(Move(SetBounds("x", -math.inf, 2.5)))
        == '{"action":"set_bounds","variable":"x","lower":null,"upper":2.5}'
    )
    assert render(Move(SetRhs("ra", -0.0))) == '{"action":"set_rhs","row":"ra","value":0}'


# 2. Free text around the object is free; of several objects the last complete one counts.


@pytest.mark.parametrize(
    "text",
    [
        f"The row {{ra}} is off by ten, so\n```json\n{EXAMPLE}\n```\nDone.",
        f'{{"action":"drop","row":"rb"}} no, better: {EXAMPLE}',
        f'{EXAMPLE} and then {{"action":"dro',
        f'{{"action": "dr\n{EXAMPLE}',
        f'a lone " quote and a lone }} brace, then {EXAMPLE}<|im_end|>',
    ],
)
def test_surroundings_are_ignored(text: str) -> None:
    assert parse(text) == Move(SetRhs("ra", 194.0), (Element("row:ra"),))


def test_no_earlier_object_is_fallen_back_to() -> None:
    assert "action" in _reason(EXAMPLE + ' {"note":"done"}')


def test_an_object_inside_an_object_or_a_string_is_no_move() -> None:
    _reason('{"plan":{"action":"submit"}}')
    _reason('{"plan":"{\\"action\\":\\"submit\\"}"}')
    _reason('{"plan":{"action":"submit"}')


@pytest.mark.parametrize("inner", [EXAMPLE, '{"action":"submit"}'])
def test_broken_quoting_around_an_action_is_no_move(inner: str) -> None:
    """A line break or a tab ends a string that was to hold the action; the brace after it says that it was inside."""
    _reason('{"note":"I would say\n' + inner + '\nand no more"}')
    _reason('{"note":"I would\tsay ' + inner + '\n"}')
    _reason('{"note":"I would say\n' + inner + " " + inner + '"}')
    # A turn that breaks off and begins anew is read as ever, and so is one after the broken object has closed.
    assert isinstance(parse('{"action":"dr\n' + inner), Move)
    assert isinstance(parse('{"note":"I would say\n' + inner + '"} ' + inner), Move)


def test_names_as_long_as_programs_have_them() -> None:
    name = "r" * MAX_NAME_CHARACTERS
    move = Move(SetCoefficient(name, name, 1.0), (Element(f"row:{name}"), Element(f"var:{name}")))
    assert parse(render(move)) == move
    assert "name" in _reason(render(Move(DropRow(name + "r"))))
    rows = (Constraint(name + "r", (), Sense.EQUAL, 0.0),)
    with pytest.raises(ProgramError, match="at most 2000 characters, got one of 2001"):
        validate(LinearProgram(Direction.MINIMIZE, (), (Variable("x"),), rows))


# 3. What is not exactly a move is Malformed, with a reason.


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "JSON object"),
        ("drop(ra)", "JSON object"),
        ("{}", "action"),
        ('{"action":"remove","row":"ra"}', "drop"),
        ('{"action":["drop"],"row":"ra"}', "action"),
        ('{"action":"drop"}', "row"),
        ('{"action":"drop","row":"ra","row":"rb"}', "once"),
        ('{"action":"drop","row":"ra","why":"x"}', "row"),
        ('{"action":"drop","row":7}', "name"),
        ('{"action":"set_rhs","row":"ra","value":"194"}', "number"),
        ('{"action":"set_rhs","row":"ra","value":true}', "number"),
        ('{"action":"set_rhs","row":"ra","value":null}', "number"),
        ('{"action":"set_rhs","row":"ra","value":NaN}', "NaN"),
        ('{"action":"set_bounds","variable":"x","lower":0,"upper":Infinity}', "Infinity"),
        ('{"action":"set_bounds","variable":"x","lower":0,"upper":1e999}', "1e999"),
        ('{"action":"set_bounds","variable":"x","upper":1}', "lower"),
        ('{"action":"set_sense","row":"ra","sense":"=="}', "<="),
        ('{"action":"set_sense","row":"ra","sense":["<="]}', "<="),
        ('{"action":"set_type","variable":"x","type":"int"}', "integer"),
        ('{"action":"submit","diagnosis":"row:ra"}', "list"),
        ('{"action":"submit","diagnosis":["ra"]}', "row:NAME"),
        ('{"action":"submit","diagnosis":[["row:ra"]]}', "row:NAME"),
        ('{"action":"drop","row":"r\\u0000a"}', "name"),
        ('{"action":"drop","row":"\\ud800"}', "name"),
        ('{"action":"drop","row":"r\na"}', "JSON object"),
        ('{"action":"drop" "row":"ra"}', "valid JSON"),
        ("{'action':'submit'}", "JSON object"),
    ],
)
def test_strictness(text: str, word: str) -> None:
    assert word in _reason(text)


# 4. A number that a float holds is a move, however large: the episode refuses it, and says so.


def test_large_numbers_are_read() -> None:
    assert parse('{"action":"set_rhs","row":"ra","value":1e12}') == Move(SetRhs("ra", 1e12))


# 5. Hostile length and nesting cost linear time and raise nothing.


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 30_000,
        '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"action":"drop","row":"' + "a" * 150_000 + '"}',
        '{"action":"set_rhs","row":"ra","value":' + "9" * 19_000 + "}",
        '{"' * 90_000,
        "{" * 190_000,
        ("{" + " " * 60) * 3_000,
        '{"\\' * 60_000,
        '{"a\n' * 45_000,
        '{"' + "\\{\\" * 60_000,
        "a" * 1_000_000 + EXAMPLE,
        "\x00\x1b\u202e" * 60_000,
        "{}" * 90_000,
    ],
)
def test_hostile_text(text: str) -> None:
    start = time.process_time()
    _reason(text)
    assert time.process_time() - start < 1.0


def test_a_normal_turn_is_read_in_a_tenth_of_a_millisecond() -> None:
    text = "The conflict holds ra and rb; the specification says 194 hours. " * 4 + EXAMPLE
    start = time.process_time()
    for _ in range(1000):
        parse(text)
    assert time.process_time() - start < 0.1


# 6. Fifty thousand mutants: no exception, and whatever is read was written (its own rendering stands in the text).


def _objects_written(text: str) -> list[object]:
    written: list[object] = []
    for at in (i for i, character in enumerate(text) if character == "{"):
        with contextlib.suppress(json.JSONDecodeError):
            written.append(json.JSONDecoder().raw_decode(text, at)[0])
    return written


def test_mutants_never_become_another_action() -> None:
    rng = random.Random(7)
    bases = [
        EXAMPLE,
        '{"action":"set_bounds","variable":"x","lower":null,"upper":40}',
        'so {"action":"drop","row":"ra"}',
    ]
    alphabet = '{}[]",:\\ntrue0189.-eE \n' + "raxu\u0661\uff11"
    num_moves = 0
    for _ in range(50_000):
        characters = list(rng.choice(bases))
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(characters))
            characters[at : at + rng.randint(0, 1)] = rng.choices(alphabet, k=rng.randint(0, 2))
        text = "".join(characters)
        answer = parse(text)
        if isinstance(answer, Move):
            num_moves += 1
            kept = json.loads(render(answer))
            assert kept in _objects_written(text)
            assert kept.keys() - {"diagnosis", "action"} == set(ACTION_KEYS[kept["action"]])
    assert num_moves > 1000
