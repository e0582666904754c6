"""Benchmark records made by hand, one of each kind, with every figure worked out in a comment.

    maximise  k x + 2 y + z      x in 1 .. 100,  y, z in 0 .. 100
    cap    x + y <= 12           zcap   z <= 5
    total  x + y <= 30           ztop   z <= 9
    need   x + y >=  4           zneed  z >= 2           optimum x = 12, y = 0, z = 5: 12 k + 5

and for kind F a chain, ``minimise k w + v + u + t``: 10 w >= 100, w <= v <= u <= t <= 20; optimum 10 (k + 3). The cost
k is the first from 2 on with which the original is of the test split.
"""

import json
from dataclasses import replace
from typing import Any

from lit_grpo.suite_checker.layout import GENERATOR_VERSION
from lit_grpo.suite_checker.programs import Program, Row, Variable, apply_action
from lit_grpo.suite_checker.records import content_id, read_record, split_of

VARIABLES = {
    "x": Variable(1.0, 100.0, "continuous"),
    "y": Variable(0.0, 100.0, "continuous"),
    "z": Variable(0.0, 100.0, "continuous"),
}


def of_test_split(program: Program, priced: str) -> Program:
    """With the first price of a variable that puts the program into the test split."""
    prices = (replace(program, costs=program.costs | {priced: float(k)}) for k in range(2, 500))
    return next(candidate for candidate in prices if split_of(candidate) == "test")


def plan() -> Program:
    """The plan of x, y and z."""
    both, z = {"x": 1.0, "y": 1.0}, {"z": 1.0}
    rows = {
        "cap": Row(both, "<=", 12.0),
        "total": Row(both, "<=", 30.0),
        "need": Row(both, ">=", 4.0),
        "zcap": Row(z, "<=", 5.0),
        "ztop": Row(z, "<=", 9.0),
        "zneed": Row(z, ">=", 2.0),
    }
    return of_test_split(Program(True, 0.0, {"x": 2.0, "y": 2.0, "z": 1.0}, VARIABLES, rows), "x")


def chain() -> Program:
    """The chain of w, v, u and t."""
    variables = {name: Variable(0.0, 20.0 if name == "t" else 200.0, "continuous") for name in "wvut"}
    links = {f"{a}{b}": Row({a: 1.0, b: -1.0}, "<=", 0.0) for a, b in ("wv", "vu", "ut")}
    costs = dict.fromkeys("wvut", 1.0)
    return of_test_split(Program(False, 0.0, costs, variables, {"demand": Row({"w": 10.0}, ">=", 100.0), **links}), "w")


def mps(program: Program) -> str:
    """Free MPS; every variable continuous, with two bounds."""
    letters = {"<=": "L", ">=": "G", "=": "E"}
    lines = ["NAME lit_grpo", "OBJSENSE", "    MAX" if program.maximize else "    MIN", "ROWS", " N OBJECTIVE"]
    lines += [f" {letters[row.sense]} {name}" for name, row in program.rows.items()] + ["COLUMNS"]
    for name in program.variables:
        lines.append(f"    {name} OBJECTIVE {program.costs[name]}")
        lines += [f"    {name} {r} {row.terms[name]}" for r, row in program.rows.items() if name in row.terms]
    lines += ["RHS", *(f"    RHS {name} {row.rhs}" for name, row in program.rows.items() if row.rhs), "BOUNDS"]
    for name, v in program.variables.items():
        lines += [f" UP BOUND {name} {v.upper}", f" LO BOUND {name} {v.lower}"]
    return "\n".join([*lines, "ENDATA", ""])


def action(name: str, **keys: object) -> str:
    """The text of an action."""
    return json.dumps({"action": name, **keys}, separators=(",", ":"))


def optimum(program: Program) -> float:
    """See the top of this file."""
    return 12 * program.costs["x"] + 5 if program.maximize else 10 * (program.costs["w"] + 3)


def record(
    kind: str,
    original: Program,
    faults: list[str],
    inverse: list[str],
    figures: tuple[str, float, float, int, int],
    difficulty: str = "medium",
    evidence: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A record whose faulty program is the original after the faults.

    figures: variant, violation, property margin, elements of the conflict, decoys.
    """
    faulty = original
    for fault in faults:
        faulty, _ = apply_action(faulty, fault)
    keys = ("variant", "violation", "property_margin", "conflict_size", "num_decoys")
    certificate = dict(zip(keys, figures, strict=True)) | ({} if evidence is None else {"evidence": evidence})
    return sealed(
        {
            "id": "0" * 64,
            "domain": "production",
            "kind": kind,
            "difficulty": difficulty,
            "split": "test",
            "specification": [{"text": f"What {name} is.", "about": f"row:{name}"} for name in original.rows],
            "original_mps": mps(original),
            "original_declarations": [],
            "faulty_mps": mps(faulty),
            "faulty_declarations": [],
            "inverse_actions": inverse,
            "faulty_elements": [element_of(text) for text in inverse],
            "original_objective": optimum(original),
            "certificate": certificate,
            "generator_version": GENERATOR_VERSION,
        }
    )


def sealed(fields: dict[str, Any]) -> dict[str, Any]:
    """With the id of its content."""
    return fields | {"id": content_id(read_record(json.dumps(fields)))}


def element_of(text: str) -> str:
    """What an action touches."""
    fields = json.loads(text)
    return f"row:{fields['row']}" if "row" in fields else f"var:{fields['variable']}"


def rhs(row: str, value: float) -> str:
    """The action that sets a right-hand side."""
    return action("set_rhs", row=row, value=value)


def bounds(variable: str, lower: float, upper: float) -> str:
    """The action that sets bounds."""
    return action("set_bounds", variable=variable, lower=lower, upper=upper)


def conflict_of(*members: str) -> dict[str, Any]:
    """``conflict_of("row zcap", "lower z")``."""
    return {"members": [dict(zip(("part", "name"), member.split(), strict=True)) for member in members]}


def deletion(row: str, objective: float) -> dict[str, Any]:
    """A row whose deletion leaves an optimum."""
    return {"row": row, "status": "optimal", "objective": objective}


def handmade() -> dict[str, dict[str, Any]]:
    """One record of each kind, by its letter."""
    p, c = plan(), chain()

    def sense(value: str) -> str:
        return action("set_sense", row="total", sense=value)

    def coefficient(value: float) -> str:
        return action("set_coefficient", row="cap", variable="x", value=value)

    return {
        # x + y is at most 12 by cap: margin 30 - 12 = 18. Conflict cap, total; each would move by 18.
        "A": record("A", p, [sense(">=")], [sense("<=")], ("reversed_sense", 18.0, 18.0, 2, 1)),
        # x >= 50 against cap: 38. Conflict total, x, y (cap is tried first, and spared); each would move by 20.
        "B": record("B", p, [bounds("x", 50, 100)], [bounds("x", 1, 100)], ("wrong_lower_bound", 38.0, 38.0, 3, 2)),
        # 1000 x + y <= 12 with x + y >= 4 leaves x at most 8 / 999, not 1. Conflict cap, x, y; cap would move by 988.
        "C": record("C", p, [coefficient(1000)], [coefficient(1)], ("unit_slip_1000", 1 - 8 / 999, 1 - 8 / 999, 3, 2)),
        # 40 needed, 12 allowed: 28. Conflict total, need; each would move by 10.
        "D": record("D", p, [rhs("need", 40)], [rhs("need", 4)], ("wrong_rhs", 28.0, 28.0, 2, 1)),
        # need >= 4 against cap <= 0: 4; z >= 7 against z <= 5: 2. Conflict zcap, zneed. Of each fault alone: cap <= 0
        # against x >= 1 and y >= 0, by 1 (need is tried first, and spared), and z >= 7 against z <= 5, by 2.
        "E": record(
            "E",
            p,
            [rhs("cap", 0), rhs("zneed", 7)],
            [rhs("cap", 12), rhs("zneed", 2)],
            ("wrong_rhs+wrong_rhs", 6.0, 1.0, 2, 1),
            evidence={
                "conflicts": [conflict_of("row cap", "lower x", "lower y"), conflict_of("row zcap", "row zneed")]
            },
        ),
        # 10 w >= 1000 with w <= t <= 20: a link gives way by 80, the demand by 800. Conflict: 4 rows and t. Without a
        # link w = 100, and so is what stands before that link: 100 (k + 0), (k + 1), (k + 2).
        "F": record(
            "F",
            c,
            [rhs("demand", 1000)],
            [rhs("demand", 100)],
            ("wrong_rhs", 80.0, 720.0, 5, 4),
            evidence={
                "deletions": [deletion(link, 100 * (c.costs["w"] + i)) for i, link in enumerate(("wv", "vu", "ut"))],
                "relaxed": ["row:wv"],
                "alone": 800.0,
            },
        ),
        # cap <= 0 against need >= 20; then cap <= 12 against it: 8. The first conflict is cap, x, y. Without cap
        # x = 30 by total.
        "G": record(
            "G",
            p,
            [rhs("cap", 0), rhs("need", 20)],
            [rhs("cap", 12), rhs("need", 4)],
            ("wrong_rhs+wrong_rhs", 20.0, 8.0, 3, 2),
            evidence={"revealed": conflict_of("row cap", "row need"), "objective_without": 30 * p.costs["x"] + 5},
        ),
        # z >= 50 against zcap: 45, and against ztop: 41. Conflict ztop, z; without ztop 45 are left.
        "H": record(
            "H",
            p,
            [bounds("z", 50, 100)],
            [bounds("z", 0, 100)],
            ("wrong_lower_bound", 45.0, 45.0, 2, 1),
            evidence={"conflicts": [conflict_of("row ztop", "lower z"), conflict_of("row zcap", "lower z")]},
        ),
        # z >= 7 against z <= 5: either gives way by 2.
        "I": record(
            "I",
            p,
            [rhs("zneed", 7)],
            [rhs("zneed", 2)],
            ("wrong_rhs", 2.0, 0.0, 2, 1),
            evidence={"repairs": [{"element": f"row:{row}", "amount": 2.0} for row in ("zcap", "zneed")]},
        ),
    }
