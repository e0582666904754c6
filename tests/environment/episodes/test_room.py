"""Lists that are cut to fit, and say how many are missing: as many as fit, never more, with the true number."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from lit_grpo.environment.episodes.room import Room

CHARACTERS = len
PIECES = st.lists(st.text("ab ", min_size=1, max_size=8), max_size=60)


def test_as_many_as_fit() -> None:
    # "aa,aa,... and 8 more" has 20 characters, with a third piece 23; all ten pieces have 29.
    pieces = ["aa"] * 10
    assert Room(22, CHARACTERS).listed(pieces, ",") == "aa,aa,... and 8 more"
    assert Room(23, CHARACTERS).listed(pieces, ",") == "aa,aa,aa,... and 7 more"
    assert Room(22, CHARACTERS).listed(pieces, ",", "xyz") == "aa,... and 9 more"
    assert Room(29, CHARACTERS).listed(pieces, ",") == "aa," * 9 + "aa"
    assert Room(11, CHARACTERS).listed(["aa"] * 4, ",") == "aa,aa,aa,aa", "all fit where fewer with the note do not"
    assert Room(11, CHARACTERS).listed(["aa"] * 5, ",") == "... and 5 more", "not even that fits: the caller has to see"
    assert Room(5, CHARACTERS).listed([], ",") == ""


def test_words() -> None:
    assert Room(30, CHARACTERS).cut("one two three") == "one two three"
    assert Room(27, CHARACTERS).cut("one two three four five six seven") == "one two ... and 5 more"


@given(PIECES, st.integers(len("... and 60 more"), 200))
def test_never_more_than_there_is_room_for(pieces: list[str], tokens: int) -> None:
    room = Room(tokens, CHARACTERS)
    text = room.listed(pieces, "/")
    assert room.holds(text)
    missing = re.search(r"\.\.\. and (\d+) more$", text)
    shown = text.split("/")[: -1 if missing else None] if text else []
    assert shown == pieces[: len(shown)]
    assert len(shown) + (int(missing[1]) if missing else 0) == len(pieces)


@given(st.integers(0, 200), st.integers(0, 300))
def test_most_is_the_most(number: int, fitting: int) -> None:
    asked: list[int] = []

    def write(count: int) -> str:
        asked.append(count)
        return "a" * count

    assert Room(fitting, CHARACTERS).most(number, write) == min(number, fitting)
    assert max(asked, default=0) <= 2 * fitting + 1, "hardly more is written than fits"
