"""Folders of programs as a user would have them, written for tests: bakeries, each a little larger than the last."""

from collections.abc import Sequence
from pathlib import Path

BAKERY = """\
maximize
 profit: 5 bread + 4 cake + 1.5 roll
subject to
 flour: 2 bread + {cake} cake + 0.25 roll <= {flour}
 oven: 1 bread + 2 cake <= {oven}
 orders: 1 bread + 1 cake + 1 roll >= {orders}
bounds
 0 <= bread <= 40
 0 <= cake <= 30
 0 <= roll <= 200
end
"""
TEXT = """\
row:flour: There are {flour} kg of flour; a loaf takes 2, a cake {cake}, a roll 0.25.
row:oven: The oven runs {oven} hours; a loaf takes 1, a cake 2.
row:orders: At least {orders} pieces are ordered.
Loaves bring 5, cakes 4, rolls 1.5; at most 40, 30 and 200 of them can be sold.
"""


def bakery(number: int) -> tuple[str, str]:
    """The program of that number, from 0, and its text."""
    numbers = {"cake": 3 + number % 3, "flour": 120.5 + 7 * number, "oven": 90 + 3 * number, "orders": 10 + number}
    return BAKERY.format(**numbers), TEXT.format(**numbers)


def write_bakeries(folder: Path, numbers: Sequence[int]) -> Path:
    """``bakery_N.lp`` and ``bakery_N.txt`` for each number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        program, text = bakery(number)
        (folder / f"bakery_{number}.lp").write_text(program)
        (folder / f"bakery_{number}.txt").write_text(text)
    return folder
