"""Programs written as LP and MPS files in many styles, each of which means the program, for tests of the readers."""

from __future__ import annotations

import math
from random import Random

from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType


def lp_in_some_style(program: LinearProgram, rng: Random) -> str:
    """A text that HiGHS reads, too: every variable in the objective, which fixes their order."""
    word = {Direction.MINIMIZE: ["Minimize", "min", "MINIMUM"], Direction.MAXIMIZE: ["Maximize", "MAX", "maximum"]}
    costs = dict(program.objective)
    label = rng.choice(["", "obj: ", "cost: "])
    objective = _lp_sum([(v.name, costs.get(v.name, 0.0)) for v in program.variables], rng)
    if program.objective_offset:
        objective += f" {program.objective_offset:+}"
    lines = [rng.choice(word[program.direction]), f" {label}{objective}"]
    lines.append(rng.choice(["Subject To", "st", "s.t.", "SUCH THAT"]))
    for row in program.constraints:
        sense = row.sense.value
        lines.append(f" {row.name}: {_lp_sum(list(row.terms), rng)} {sense} {_number(row.rhs, rng)}")
        if rng.random() < 0.2:
            lines.append(rng.choice(["\\ a remark: x + y <= 3", "", "   "]))
    lines += ["Bounds", *(f" {bound}" for v in program.variables for bound in _lp_bounds(v, rng))]
    integers = [v.name for v in program.variables if v.type is not VariableType.CONTINUOUS]
    if integers:
        blank = rng.choice([" ", "\n "])
        lines += [rng.choice(["General", "integers", "GEN"]), " " + blank.join(integers)]
    return "\n".join([*lines, rng.choice(["End", "END", "end"]), ""])


def mps_in_some_style(program: LinearProgram, rng: Random) -> str:
    """Free MPS with one or two entries a line, vectors' names there or not, bounds by any type that says them."""
    lines = [rng.choice(["NAME", "NAME          some model"])]
    if program.direction is Direction.MAXIMIZE:
        lines += rng.choice([["OBJSENSE", "    MAX"], ["OBJSENSE MAX"], ["OBJSENSE", "  MAXIMIZE"]])
    lines += ["* a remark", "ROWS", " N  COST"]
    lines += [f" { {'<=': 'L', '>=': 'G', '=': 'E'}[row.sense.value] }  {row.name}" for row in program.constraints]
    lines.append("COLUMNS")
    inside = False
    for variable in program.variables:
        is_integer = variable.type is not VariableType.CONTINUOUS
        if is_integer is not inside:
            lines.append(f"    M{len(lines)}  'MARKER'  '{'INTORG' if is_integer else 'INTEND'}'")
            inside = is_integer
        entries = [("COST", dict(program.objective).get(variable.name, 0.0))]
        entries += [
            (row.name, value) for row in program.constraints for name, value in row.terms if name == variable.name
        ]
        lines += _mps_entries(variable.name, entries, rng)
    if inside:
        lines.append("    MEND  'MARKER'  'INTEND'")
    lines.append("RHS")
    sides = [(row.name, row.rhs) for row in program.constraints if row.rhs or rng.random() < 0.3]
    if program.objective_offset:
        sides.append(("COST", -program.objective_offset))
    lines += _mps_entries(rng.choice(["RHS", "B"]), sides, rng)
    lines.append("BOUNDS")
    name = rng.choice(["BND", "BOUND"])
    lines += [f" {type_} {name} {rest}" for v in program.variables for type_, rest in _mps_bounds(v, rng)]
    return "\n".join([*lines, "ENDATA", ""])


def with_ranges(program: LinearProgram, rng: Random) -> tuple[str, LinearProgram]:
    """An MPS text in which some rows have a second limit, and the program that it means, those rows split."""
    text = mps_in_some_style(program, rng)
    rows: list[Constraint] = []
    ranges: list[str] = []
    for row in program.constraints:
        width = float(rng.choice([2, 7, 1.5]))
        if rng.random() < 0.5:
            rows.append(row)
            continue
        signed = rng.choice([width, -width])
        ranges.append(f"    RNG {row.name} {signed!r}")
        goes_down = row.sense is Sense.LESS_EQUAL or (row.sense is Sense.EQUAL and signed < 0)
        low, high = (row.rhs - width, row.rhs) if goes_down else (row.rhs, row.rhs + width)
        rows.append(Constraint(f"{row.name}_lower", row.terms, Sense.GREATER_EQUAL, low))
        rows.append(Constraint(f"{row.name}_upper", row.terms, Sense.LESS_EQUAL, high))
    text = text.replace("\nBOUNDS\n", "\n".join(["", "RANGES", *ranges, "BOUNDS", ""]))
    return text, LinearProgram(
        program.direction, program.objective, program.variables, tuple(rows), program.objective_offset
    )


def _lp_sum(terms: list[tuple[str, float]], rng: Random) -> str:
    parts: list[str] = []
    for position, (name, value) in enumerate(terms):
        sign = "-" if value < 0 else "+"
        size = "" if abs(value) == 1 and rng.random() < 0.5 else _number(abs(value), rng)
        lead = "" if position == 0 and sign == "+" and rng.random() < 0.5 else sign
        blank = rng.choice(["", " "]) if size and value else " "
        parts.append(f"{lead}{rng.choice(['', ' '])}{size}{blank}{name}".strip())
        if rng.random() < 0.15 and position + 1 < len(terms):
            parts.append("\n ")
    return " ".join(parts)


def _number(value: float, rng: Random) -> str:
    forms = [repr(value), f"{value:.17g}", f"{value!r}e0" if "e" not in repr(value) else repr(value)]
    if value.is_integer():
        forms += [str(int(value)), f"{int(value)}."]
    return rng.choice(forms)


def _lp_bounds(variable: Variable, rng: Random) -> list[str]:
    name, lower, upper = variable.name, *variable.effective_bounds
    if (lower, upper) == (-math.inf, math.inf):
        return [rng.choice([f"{name} free", f"-inf <= {name} <= +inf", f"{name} >= -infinity"])]
    if lower == upper:
        return [rng.choice([f"{name} = {lower!r}", f"{lower!r} <= {name} <= {upper!r}"])]
    low, high = ("-inf" if lower == -math.inf else repr(lower)), ("inf" if upper == math.inf else repr(upper))
    both = [f"{low} <= {name} <= {high}"]
    apart = [f"{name} >= {low}" if rng.random() < 0.5 else f"{low} <= {name}", f"{name} <= {high}"]
    return rng.choice([both, apart])


def _mps_bounds(variable: Variable, rng: Random) -> list[tuple[str, str]]:
    name, lower, upper = variable.name, *variable.effective_bounds
    is_integer = variable.type is not VariableType.CONTINUOUS
    if (lower, upper) == (-math.inf, math.inf):
        return [("FR", name)]
    if lower == upper:
        return [("FX", f"{name} {lower!r}")]
    if is_integer and (lower, upper) == (0.0, 1.0) and rng.random() < 0.5:
        return [("BV", name)]
    upper_type, lower_type = rng.choice([("UP", "LO"), ("UI", "LI")] if is_integer else [("UP", "LO")])
    high = ("PL", name) if upper == math.inf else (upper_type, f"{name} {upper!r}")
    low = ("MI", name) if lower == -math.inf else (lower_type, f"{name} {lower!r}")
    return [high, low]


def _mps_entries(first: str, entries: list[tuple[str, float]], rng: Random) -> list[str]:
    lines: list[str] = []
    while entries:
        num = min(rng.choice([1, 2]), len(entries))
        pairs = "   ".join(f"{name}  {_number(value, rng)}" for name, value in entries[:num])
        lines.append(f"    {first}   {pairs}")
        entries = entries[num:]
    return lines
