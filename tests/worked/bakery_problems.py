"""A folder in the published layout of OR-Debug-Bench, made up: a bakery's plan with a fault of kind A and one of B."""

from __future__ import annotations

import json
from pathlib import Path

from lit_grpo.environment.programs.files import write_program
from lit_grpo.environment.programs.program import Constraint, Direction, LinearProgram, Sense, Variable, VariableType

LE, GE = Sense.LESS_EQUAL, Sense.GREATER_EQUAL
ROLLS = Variable("rolls", 0.0, 10.0)


def bakery(flour_sense: Sense, rolls: Variable, *more: Constraint) -> LinearProgram:
    """Maximise 2 bread + rolls; 3 bread + rolls <= 24 of flour; bread >= 1."""
    rows = (
        Constraint("flour", (("bread", 3.0), ("rolls", 1.0)), flour_sense, 24.0),
        Constraint("least_bread", (("bread", 1.0),), GE, 1.0),
    )
    objective = (("bread", 2.0), ("rolls", 1.0))
    return LinearProgram(Direction.MAXIMIZE, objective, (Variable("bread", 0.0, 4.0), rolls), (*rows, *more))


def record(problem_id: str, kind: str, target: str, fix: str, objective: float) -> dict[str, object]:
    return {
        "problem_id": problem_id,
        "model_file": f"models/{problem_id}.mps",
        "error_type": kind,
        "target_name": target,
        "ground_truth_fix": fix,
        "original_objective": objective,
        "difficulty": "easy",
    }


def write_miniature(folder: Path) -> None:
    """A reversed sense (12 + rolls <= 10 can never reach 24), and a type with a row that forces it apart."""
    forced = Constraint("_force_rolls", (("rolls", 1.0),), GE, 2.0)
    binary = Variable("rolls", 0.0, 1.0, VariableType.BINARY)
    fix_b = "Change rolls back to INTEGER with UB=10.0, remove _force_rolls"
    # Original optimum: rolls = 10 leaves 14 of flour, so bread = 4 (bound, needs 12): 8 + 10 = 18.
    write_folder(
        folder,
        (record("lp_a", "A", "flour", "Change flour from >= back to <=", 18.0), bakery(GE, ROLLS)),
        (record("mip_b", "B", "rolls", fix_b, 18.0), bakery(LE, binary, forced)),
    )


def write_folder(folder: Path, *problems: tuple[dict[str, object], LinearProgram]) -> None:
    """``dataset.json`` and the model of each record."""
    (folder / "models").mkdir()
    for fields, program in problems:
        write_program(program, folder / str(fields["model_file"]))
    records = [fields for fields, _ in problems]
    (folder / "dataset.json").write_text(json.dumps({"problems": records}), encoding="utf-8")
