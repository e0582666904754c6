"""Writes the twenty programs of examples/cutting_stock: a joinery cuts boards by patterns, a kind that no domain has.

Run: `python examples/make_cutting_stock.py`. A pattern says how many pieces of each sort come out of a board. The
pieces that are needed must come out, within the boards in stock, the saw's hours and the room for offcuts, at least
cost. Names and texts are made of words that the tiny base of this project knows.
"""

import argparse
from pathlib import Path
from random import Random

PATTERNS = ("x", "y")
PIECES = ("doors", "tables", "chairs", "crates", "lamps")
"""What pieces are cut for; two sorts in each program."""
LIMITS = {"hours": (2, 9), "stock": (1, 1), "storage": (1, 6)}
"""What is limited, with the least and the most that a board takes of it; two of them in each program."""
NUM_PROGRAMS = 20
SEED = 10
"""The first that leaves three programs at least in each split."""


def listed(coefficients: dict[str, int], between: str) -> str:
    """``2 per x , 1 per y``, or the same in algebra."""
    return between.join(f"{number} {name}" for name, number in coefficients.items() if number)


def sentence(coefficients: dict[str, int]) -> str:
    """``2 per x , 1 per y``."""
    return " , ".join(f"{number} per {name}" for name, number in coefficients.items() if number)


def make_program(rng: Random) -> tuple[str, str]:
    """A program in LP format, and its text."""
    plan = {name: rng.randint(4, 20) for name in PATTERNS}
    rows: dict[str, tuple[dict[str, int], str, int]] = {}
    for piece in rng.sample(PIECES, 2):
        cut = {name: rng.choice((0, 1, 1, 2, 3, 4)) for name in PATTERNS}
        cut[rng.choice(PATTERNS)] = rng.randint(1, 4)
        made = sum(number * plan[name] for name, number in cut.items())
        # Some orders are nearly all that the plan makes, some are small.
        rows[piece] = (cut, ">=", max(1, made - rng.choice((0, rng.randint(0, made // 8), rng.randint(0, made // 2)))))
    for limit, (least, most) in rng.sample(sorted(LIMITS.items()), 2):
        taken = {name: rng.randint(least, most) for name in PATTERNS}
        used = sum(number * plan[name] for name, number in taken.items())
        rows[limit] = (taken, "<=", used + rng.choice((rng.randint(0, used // 8), rng.randint(0, used))))
    names = rng.sample(list(rows), len(rows))
    costs = {name: rng.randint(2, 9) for name in PATTERNS}
    most = {name: plan[name] + rng.choice((rng.randint(2, 9), rng.randint(20, 60))) for name in PATTERNS}
    lines = ["minimize", f" cost: {listed(costs, ' + ')}", "subject to"]
    lines += [f" {name}: {listed(rows[name][0], ' + ')} {rows[name][1]} {rows[name][2]}" for name in names]
    lines += ["bounds", *(f" 0 <= {name} <= {most[name]}" for name in PATTERNS), "general", " x y", "end"]
    text = [f"var:{name}: boards , whole , 0 to {most[name]} ." for name in PATTERNS]
    for name in names:
        coefficients, sense, number = rows[name]
        limit = f"at {'least' if sense == '>=' else 'most'} {number}"
        text.append(f"row:{name}: {name} {sentence(coefficients)} , {limit} .")
    return "\n".join([*lines, ""]), "\n".join([*text, f"goal : least cost , {sentence(costs)} .", ""])


parser = argparse.ArgumentParser(description="Twenty programs of cutting stock with their texts.")
parser.add_argument("--output", type=Path, default=Path("examples/cutting_stock"), help="folder (%(default)s)")
parser.add_argument("--seed", type=int, default=SEED, help="%(default)s")
arguments = parser.parse_args()

arguments.output.mkdir(parents=True, exist_ok=True)
rng = Random(arguments.seed)
for number in range(1, NUM_PROGRAMS + 1):
    program, text = make_program(rng)
    (arguments.output / f"week_{number:02}.lp").write_text(program, encoding="utf-8")
    (arguments.output / f"week_{number:02}.txt").write_text(text, encoding="utf-8")
