"""Hostile text: whatever a model writes, the parser answers, and says nothing that was not written.

1. Any text, and any text around a move: no exception, no action that was not written.
2. Every well-formed move is read as it stands, with prose around it; numbers that are none are never read as numbers.
3. The generated completions of scripts/audits/fuzz_parser.py; and that script finds a parser that makes things up.
4. Whole episodes of hostile text end as episodes do, and only with what was written in them.
"""

from __future__ import annotations

import json
from itertools import islice

import pytest
from desk_problem import PROBLEM
from fuzz_parser import BASES, NUMBERS, ODD_TEXT, completions, offence, was_written
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_grpo.environment.episodes.actions import Malformed, Move, parse
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.programs.edits import DropRow, SetRhs
from lit_grpo.environment.solver.highs import HighsSolver

ANY_TEXT = st.text(st.characters(), max_size=200)  # lone surrogates and control characters included
PIECES = st.one_of(
    ANY_TEXT,
    st.sampled_from([*BASES, *NUMBERS, *ODD_TEXT, "{", "}", '"', "[", ":"]),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(PIECES, max_size=8))
def test_1_any_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert offence(text, parse(text)) is None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from(BASES),
    st.sampled_from(["action", "row", "variable", "value", "amount", "lower", "sense", "type", "name", "diagnosis"]),
    JSON_VALUES,
)
def test_1b_any_value_in_any_place(base: str, key: str, value: object) -> None:
    text = json.dumps(json.loads(base) | {key: value})
    assert offence(text, parse(text)) is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(st.characters(exclude_characters="{"), max_size=50), st.sampled_from(BASES), st.integers(0, 9))
def test_2_a_move_is_read_wherever_it_stands(prose: str, base: str, num_braces: int) -> None:
    alone = parse(base)
    assert isinstance(alone, Move)
    assert parse(prose + base + "}" * num_braces) == alone


@pytest.mark.parametrize("number", NUMBERS)
def test_2b_spellings_of_numbers(number: str) -> None:
    answer = parse('{"action":"set_rhs","row":"ra","value":' + number + "}")
    # What a reader of plain JSON calls a finite number, by hand.
    numbers = {"-0": 0.0, "-0.0": 0.0, "1e-999": 0.0, "5e-324": 5e-324, "9007199254740993": 9007199254740992.0}
    if number in numbers:
        assert answer == Move(SetRhs("ra", numbers[number]))
    else:
        assert isinstance(answer, Malformed)


def test_3_generated_completions() -> None:
    counts = {Move: 0, Malformed: 0}
    for text in completions(5_000, seed=1):
        answer = parse(text)
        assert offence(text, answer) is None
        counts[type(answer)] += 1
    assert min(counts.values()) > 1_000  # neither all nonsense nor all well-formed


def test_3b_the_check_finds_what_was_not_written() -> None:
    dropped = Move(DropRow("hours"))
    assert offence('{"action":"drop","row":"hours"}', dropped) is None
    for text in (
        "drop hours",
        '{"action":"drop","row":"Hours"}',
        '{"action":"drop","row":"hours","diagnosis":[]}',
        '{"action":"drop","row":"hours","row":"hours"}',
        '{"action":"drop"},{"row":"hours"}',
    ):
        assert offence(text, dropped) is not None
    assert offence('{"action":"set_rhs","row":"a","value":1}', Move(SetRhs("a", 2.0))) is not None


def test_4_whole_episodes() -> None:
    texts = completions(1_500, seed=2)
    reasons = set()
    while turns := list(islice(texts, 5)):
        episode = RepairEpisode(PROBLEM, HighsSolver(), EpisodeSettings())
        written = []
        for text in turns:
            if episode.stop_reason is None:
                outcome = episode.step(text)
                written += [outcome.move] if isinstance(outcome.move, Move) else []
                assert len(outcome.observation) < 2_000
        assert all(any(was_written(move, text) for text in turns) for move in written)
        reasons.add(episode.stop_reason)
    assert StopReason.SOLVER_FAILED not in reasons
    assert reasons >= {StopReason.RECOVERED, StopReason.SUBMITTED, StopReason.TURN_LIMIT}
