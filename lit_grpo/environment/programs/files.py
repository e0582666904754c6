"""Programs to files and to texts and back, exactly: MPS and LP.

Called by the command line (a user's own model), by records that store programs as text, and by the importer of the
public benchmark. Reading is in reading/; what cannot be read or written exactly is refused in one line.
"""

from __future__ import annotations

from pathlib import Path

from lit_grpo.environment.programs.formats import lp_text, mps_text
from lit_grpo.environment.programs.program import LinearProgram, ProgramError, Variable, VariableType, validate
from lit_grpo.environment.programs.reading.program_file import format_suffix, read_program_file, read_program_text

_RENDERERS = {".mps": mps_text, ".lp": lp_text}


def read_program(path: Path | str) -> LinearProgram:
    """The program in an ``.mps`` or ``.lp`` file, without the report of `read_program_file`; raises like it."""
    return read_program_file(path).program


def write_program(program: LinearProgram, path: Path | str) -> None:
    """Write an ``.mps`` or ``.lp`` file that `read_program` gives back as it was.

    Only a binary variable with other bounds than [0, 1] comes back as an integer one with the bounds that hold.

    Raises:
        ProgramError: Another suffix, or a name that the format takes for something else. Nothing is written then.
    """
    path = Path(path)
    if path.suffix.lower() not in _RENDERERS:
        raise ProgramError(f"{path}: expected a file named .mps or .lp, got {path.suffix or 'no suffix'}; rename it")
    path.write_text(_checked_text(program, format_suffix(path)), encoding="utf-8")


def program_to_mps_text(program: LinearProgram) -> str:
    """The program as MPS text, for records; `program_from_mps_text` gives it back. Raises like `write_program`."""
    return _checked_text(program, ".mps")


def program_from_mps_text(text: str) -> LinearProgram:
    """The program in an MPS text; raises like `read_program`."""
    return read_program_text(text, ".mps", "program.mps").program


def same_meaning(program: LinearProgram, other: LinearProgram) -> bool:
    """Whether two programs say the same in a file: each variable's bounds and type as they hold."""
    return _meaning(program) == _meaning(other)


def _checked_text(program: LinearProgram, suffix: str) -> str:
    text = _RENDERERS[suffix](validate(program))
    try:
        is_exact = same_meaning(read_program_text(text, suffix, f"program{suffix}").program, program)
    except ProgramError:
        is_exact = False
    if not is_exact:
        raise ProgramError(
            f"expected names and numbers that {suffix} can hold, got some that read back differently; "
            "use letters, digits and _ in names, none that is a keyword of the format, and numbers below 1e15"
        )
    return text


def _meaning(program: LinearProgram) -> LinearProgram:
    """The program with each variable's bounds and type as they hold, which is what a file can say."""
    variables = tuple(_as_it_holds(variable) for variable in program.variables)
    return LinearProgram(program.direction, program.objective, variables, program.constraints, program.objective_offset)


def _as_it_holds(variable: Variable) -> Variable:
    lower, upper = variable.effective_bounds
    if variable.type is VariableType.CONTINUOUS:
        return Variable(variable.name, lower, upper)
    is_binary = (lower, upper) == (0.0, 1.0)
    return Variable(variable.name, lower, upper, VariableType.BINARY if is_binary else VariableType.INTEGER)
