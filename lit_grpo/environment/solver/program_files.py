"""Programs in MPS and LP files: read by HiGHS, checked, and given names that the environment can speak of.

Called by the command line (a user's own model), by records that store programs as text, and by the importer of the
public benchmark. What cannot be read or written exactly is refused in one line.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import highspy

from lit_grpo.environment.programs.formats import lp_text, mps_text
from lit_grpo.environment.programs.program import (
    Constraint,
    Direction,
    LinearProgram,
    ProgramError,
    Sense,
    Variable,
    VariableType,
    ordered_terms,
    validate,
)
from lit_grpo.environment.solver.highs_model import BOUND_LIMIT, COEFFICIENT_LIMIT

_RENDERERS = {".mps": mps_text, ".lp": lp_text}
_NAN = re.compile(r"(?<![^\s+-])nan(?!\S)", re.IGNORECASE)


def read_program(path: Path | str) -> LinearProgram:
    """The program in an ``.mps`` or ``.lp`` file.

    A range row ``NAME`` becomes two rows, ``NAME_lower`` and ``NAME_upper``; a row without limits is left out; white
    space in a name becomes ``_``; a name that is then taken gets ``_2``, ``_3`` and so on. An integer variable within
    [0, 1] is read as binary.

    Raises:
        ProgramError: No such file, another suffix, not in its format, quadratic or semicontinuous, or NaN or too large
            a number.
    """
    path = Path(path)
    _require_suffix(path)
    if not path.is_file():
        raise ProgramError(f"{path}: expected an existing file, got none; check the path")
    if _NAN.search(path.read_text(encoding="utf-8", errors="replace")):
        raise ProgramError(f"{path}: expected numbers, got nan; write every coefficient, side and bound as a number")
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    status = highs.readModel(str(path))
    lp = highs.getLp()
    _require_readable(path, status, lp, highs.getHessianNumNz())
    try:
        return _from_highs(lp)
    except ProgramError as error:
        raise ProgramError(f"{path}: {error}") from error


def write_program(program: LinearProgram, path: Path | str) -> None:
    """Write an ``.mps`` or ``.lp`` file that `read_program` gives back as it was.

    Only a binary variable with other bounds than [0, 1] comes back as an integer one with the bounds that hold.

    Raises:
        ProgramError: Another suffix, or a name that the format takes for something else. Nothing is written then.
    """
    path = Path(path)
    _require_suffix(path)
    path.write_text(_checked_text(program, path.suffix.lower()), encoding="utf-8")


def program_to_mps_text(program: LinearProgram) -> str:
    """The program as MPS text, for records; `program_from_mps_text` gives it back. Raises like `write_program`."""
    return _checked_text(program, ".mps")


def program_from_mps_text(text: str) -> LinearProgram:
    """The program in an MPS text; raises like `read_program`."""
    return _read_text(text, ".mps")


def _checked_text(program: LinearProgram, suffix: str) -> str:
    text = _RENDERERS[suffix](validate(program))
    try:
        is_exact = _meaning(_read_text(text, suffix)) == _meaning(program)
    except ProgramError:
        is_exact = False
    if not is_exact:
        raise ProgramError(
            f"expected names and numbers that {suffix} can hold, got some that read back differently; "
            "use letters, digits and _ in names, none that is a keyword of the format, and numbers below 1e15"
        )
    return text


def _read_text(text: str, suffix: str) -> LinearProgram:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"program{suffix}"
        path.write_text(text, encoding="utf-8")
        return read_program(path)


def _meaning(program: LinearProgram) -> LinearProgram:
    """The program with each variable's bounds and type as they hold, which is what a file can say."""
    variables = tuple(_variable(v.name, *v.effective_bounds, v.type) for v in program.variables)
    return LinearProgram(program.direction, program.objective, variables, program.constraints, program.objective_offset)


def _variable(name: str, lower: float, upper: float, type_: VariableType) -> Variable:
    if type_ is not VariableType.CONTINUOUS:
        type_ = VariableType.BINARY if (lower, upper) == (0.0, 1.0) else VariableType.INTEGER
    return Variable(name, lower, upper, type_)


def _require_suffix(path: Path) -> None:
    if path.suffix.lower() not in _RENDERERS:
        raise ProgramError(f"{path}: expected a file named .mps or .lp, got {path.suffix or 'no suffix'}; rename it")


def _require_readable(path: Path, status: highspy.HighsStatus, lp: highspy.HighsLp, num_quadratic: int) -> None:
    numbers = [*lp.a_matrix_.value_, *lp.col_cost_, lp.offset_]
    worst = next((x for x in numbers if not abs(x) < COEFFICIENT_LIMIT), None)
    if worst is not None:
        limit = f"{COEFFICIENT_LIMIT:g}"
        raise ProgramError(f"{path}: expected coefficients below {limit} in magnitude, got {worst}; rescale the model")
    if status == highspy.HighsStatus.kError or not lp.num_col_:
        format_ = path.suffix[1:].upper()
        raise ProgramError(
            f"{path}: expected a model in {format_} format, got something HiGHS cannot read; export it again"
        )
    if num_quadratic:
        raise ProgramError(f"{path}: expected a linear objective, got a quadratic one; leave out its quadratic terms")
    plain = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    other = next((t for t in lp.integrality_ if t not in plain), None)
    if other is not None:
        raise ProgramError(
            f"{path}: expected continuous, integer or binary variables, got {other.name[1:]}; model it with a binary"
        )


def _from_highs(lp: highspy.HighsLp) -> LinearProgram:
    names = unique_names(lp.col_names_, "variable")
    integrality = list(lp.integrality_) or [highspy.HighsVarType.kContinuous] * lp.num_col_
    variables = tuple(
        _variable(
            name,
            _bound(lower),
            _bound(upper),
            VariableType.CONTINUOUS if type_ == highspy.HighsVarType.kContinuous else VariableType.INTEGER,
        )
        for name, lower, upper, type_ in zip(names, lp.col_lower_, lp.col_upper_, integrality, strict=True)
    )
    costs = dict(zip(names, map(float, lp.col_cost_), strict=True))
    is_maximize = lp.sense_ == highspy.ObjSense.kMaximize
    return validate(
        LinearProgram(
            Direction.MAXIMIZE if is_maximize else Direction.MINIMIZE,
            ordered_terms(variables, costs),
            variables,
            tuple(_constraints(lp, names)),
            lp.offset_,
        )
    )


def _constraints(lp: highspy.HighsLp, names: list[str]) -> list[Constraint]:
    terms: list[list[tuple[str, float]]] = [[] for _ in range(lp.num_row_)]
    matrix = lp.a_matrix_
    starts, rows, values = list(matrix.start_), list(matrix.index_), list(matrix.value_)
    for j, name in enumerate(names):
        for k in range(starts[j], starts[j + 1]):
            if values[k]:
                terms[rows[k]].append((name, values[k]))
    sides: list[tuple[str, int, Sense, float]] = []
    for i, (name, lower, upper) in enumerate(zip(lp.row_names_, lp.row_lower_, lp.row_upper_, strict=True)):
        lower, upper = _bound(lower), _bound(upper)
        if lower == upper:
            sides.append((name, i, Sense.EQUAL, lower))
            continue
        is_range = math.isfinite(lower) and math.isfinite(upper)
        if lower != -math.inf:
            sides.append((f"{name}_lower" if is_range else name, i, Sense.GREATER_EQUAL, lower))
        if upper != math.inf:
            sides.append((f"{name}_upper" if is_range else name, i, Sense.LESS_EQUAL, upper))
    row_names = unique_names((name for name, *_ in sides), "row")
    return [
        Constraint(name, tuple(terms[i]), sense, rhs) for name, (_, i, sense, rhs) in zip(row_names, sides, strict=True)
    ]


def unique_names(names: Iterable[str], what: str) -> list[str]:
    """The names without white space or control characters, each once; an empty one becomes ``what``."""
    clean = ["".join(ch if ch.isprintable() and not ch.isspace() else "_" for ch in name) or what for name in names]
    taken = set(clean)
    seen: set[str] = set()
    result: list[str] = []
    for name in clean:
        candidate, number = name, 2
        while candidate in seen or (candidate != name and candidate in taken):
            candidate, number = f"{name}_{number}", number + 1
        seen.add(candidate)
        result.append(candidate)
    return result


def _bound(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) >= BOUND_LIMIT else float(value)
