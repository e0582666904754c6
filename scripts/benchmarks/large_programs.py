"""Infeasible linear programs of any size, of the kinds that make conflicts hard to find; made, not collected.

Used by conflicts.py and by tests. Each family is a feasible program around a hidden point, and one requirement too
many.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    Sense,
    Variable,
)

LE, GE, EQ = Sense.LESS_EQUAL, Sense.GREATER_EQUAL, Sense.EQUAL
Row = tuple[str, dict[str, float], Sense, float]

WINDOW = 30
"""Variables of a row lie this close to it, as in models over periods or places."""


def chained(num_rows: int, rng: Random, *, length: int = 6, excess: float = 1.0, decades: int = 0) -> LinearProgram:
    """Rows around a hidden point, among them a chain ``x_k >= 2 x_(k-1)`` whose ends contradict.

    Args:
        num_rows: Rows, and variables as well.
        rng: Draws everything.
        length: Rows of the chain.
        excess: By how much it contradicts: 1e-5 is near what a solver's tolerance lets pass.
        decades: Each row is multiplied by a power of ten within so many.
    """
    point = [rng.randint(0, 20) for _ in range(num_rows)]
    rows: list[Row] = []
    for i in range(num_rows - length):
        near = range(max(0, i - WINDOW), min(num_rows, i + WINDOW))
        terms = {j: float(rng.randint(1, 9) * rng.choice((1, -1))) for j in rng.sample(near, rng.randint(2, 6))}
        activity = sum(value * point[j] for j, value in terms.items())
        sense = rng.choice((LE, GE, EQ))
        slack = 0 if sense is EQ else rng.randint(0, 5) * (1 if sense is LE else -1)
        rows.append((f"r{i}", {f"x{j}": value for j, value in terms.items()}, sense, activity + slack))
    first = rng.randrange(num_rows - 4 * length)
    links = rng.sample(range(first, first + 4 * length), length)
    for k in range(length - 1):
        rows.append((f"c{k}", {f"x{links[k + 1]}": 1.0, f"x{links[k]}": -2.0}, GE, 0.0))
    ends = {f"x{links[-1]}": 1.0, f"x{links[0]}": -(2.0 ** (length - 1))}
    rows.append((f"c{length - 1}", ends, LE, -excess))
    rng.shuffle(rows)
    scaled: list[Row] = []
    for name, terms_, sense, rhs in rows:
        factor = 10.0 ** rng.randint(-decades, decades)
        scaled.append((name, {v: value * factor for v, value in terms_.items()}, sense, rhs * factor))
    return _program([Variable(f"x{j}", 0.0, 40.0) for j in range(num_rows)], scaled)


def network(num_rows: int, rng: Random) -> LinearProgram:
    """Equalities alone: flow from node to node, of which one takes more than its arcs carry."""
    variables: list[Variable] = []
    terms: list[dict[str, float]] = [{} for _ in range(num_rows)]
    balance = [0.0] * num_rows
    for node in range(1, num_rows):
        for source in {rng.randrange(max(0, node - 50), node), rng.randrange(max(0, node - 50), node)}:
            name, flow = f"f{len(variables)}", rng.randint(0, 10)
            variables.append(Variable(name, 0.0, float(flow + rng.randint(0, 5))))
            terms[source][name], terms[node][name] = -1.0, 1.0
            balance[source] -= flow
            balance[node] += flow
    starved = num_rows // 2
    balance[starved] = sum(v.upper for v in variables if terms[starved].get(v.name) == 1.0) + 1.0
    return _program(variables, [(f"n{i}", terms[i], EQ, balance[i]) for i in range(num_rows)])


def horizon(num_rows: int, rng: Random) -> LinearProgram:
    """Production and stock over a third as many periods, one of which asks for more than store and machine hold."""
    num_periods = num_rows // 3
    variables: list[Variable] = []
    rows: list[Row] = []
    for t in range(num_periods):
        variables += [Variable(f"make{t}", 0.0, 60.0), Variable(f"stock{t}", 0.0, 200.0), Variable(f"use{t}")]
        demand = 261.0 if t == num_periods // 2 else float(rng.randint(20, 45))
        before = {f"stock{t - 1}": 1.0} if t else {}
        rows.append((f"balance{t}", {f"make{t}": 1.0, f"stock{t}": -1.0, **before}, EQ, demand))
        rows.append((f"use{t}", {f"make{t}": 1.0, f"use{t}": -1.0}, LE, 0.0))
        rows.append((f"hours{t}", {f"use{t}": 2.0}, LE, 130.0))
    return _program(variables, rows)


def degenerate(num_rows: int, rng: Random) -> LinearProgram:
    """An assignment with ties everywhere, one of whose equalities is off by 1e-4: all of them are the conflict."""
    half = num_rows // 2
    terms: dict[str, dict[str, float]] = {f"{side}{i}": {} for i in range(half) for side in ("from", "to")}
    variables: list[Variable] = []
    for i in range(half):
        for j in {i, (i + 1) % half, (i + 7) % half, rng.randrange(half)}:
            name = f"x{i}_{j}"
            variables.append(Variable(name))
            terms[f"from{i}"][name] = terms[f"to{j}"][name] = 1.0
    wrong = rng.choice(list(terms))
    return _program(variables, [(row, found, EQ, 1.0001 if row == wrong else 1.0) for row, found in terms.items()])


FAMILIES: dict[str, Callable[[int, Random], LinearProgram]] = {
    "chain of 6": chained,
    "chain of 20": lambda num_rows, rng: chained(num_rows, rng, length=20),
    "badly scaled": lambda num_rows, rng: chained(num_rows, rng, decades=4),
    "off by 1e-5": lambda num_rows, rng: chained(num_rows, rng, excess=1e-5),
    "network": network,
    "horizon": horizon,
    "degenerate": degenerate,
}
"""By the name that tables show."""


def _program(variables: list[Variable], rows: list[Row]) -> LinearProgram:
    position = {v.name: j for j, v in enumerate(variables)}
    constraints = tuple(
        Constraint(name, tuple(sorted(terms.items(), key=lambda term: position[term[0]])), sense, rhs)
        for name, terms, sense, rhs in rows
    )
    return LinearProgram(Direction.MINIMIZE, tuple((v.name, 1.0) for v in variables), tuple(variables), constraints)
