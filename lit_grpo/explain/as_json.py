"""An explanation as JSON: `lit-grpo explain FILE --format json`; explanation.schema.json beside this file says how.

Called by commands/explain.py and repair/as_json.py.
"""

from __future__ import annotations

import math
from typing import Any, assert_never

from lit_grpo.environment.programs.edits import (
    AgentEdit,
    DropRow,
    SetBounds,
    SetCoefficient,
    SetRhs,
    SetSense,
    SetType,
)
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.repairs.candidates import Candidate
from lit_grpo.environment.repairs.relaxations import Relaxation
from lit_grpo.environment.solver.solver import Conflict
from lit_grpo.explain.algebra import edit_text, member_text, shift_text
from lit_grpo.explain.explanation import Explanation
from lit_grpo.explain.signs import default_signs, questionable_elements

SCHEMA_VERSION = 1

_DIRECTION = {"minimize": "min", "maximize": "max"}


def explanation_json(found: Explanation) -> dict[str, Any]:
    """The explanation as plain data, of which `json.dumps` makes valid JSON: no infinities in it."""
    program, report = found.program, found.report
    conflicts = [_conflict(found, conflict) for conflict in found.conflicts]
    return {
        "schema_version": SCHEMA_VERSION,
        "file": report.file,
        "status": found.solution.status.value,
        "objective": found.solution.objective,
        "program": {
            "format": report.format,
            "direction": _DIRECTION[report.direction],
            "objective_terms": dict(program.objective),
            "objective_constant": program.objective_offset,
            "rows": report.num_rows,
            "columns": report.num_columns,
            "nonzeros": report.num_nonzeros,
            "integers": report.num_integers,
            "renamed": [list(pair) for pair in report.renamed],
            "split_rows": list(report.split),
        },
        "notes": [str(note) for note in report.notes],
        "conflict": conflicts[0] if conflicts else None,
        "other_conflicts": conflicts[1:],
        "relaxations": [_relaxation(relaxation) for relaxation in found.relaxations],
        "candidates": [_candidate(program, candidate) for candidate in found.candidates],
        "ray": dict(found.ray),
        "remarks": list(found.remarks),
    }


def _conflict(found: Explanation, conflict: Conflict) -> dict[str, Any]:
    signs = default_signs(found.file, conflict)
    return {
        "irreducible": conflict.is_irreducible,
        "elements": list(questionable_elements(found.file, conflict)),
        "default_signs": list(signs),
        "size": len(conflict.members),
        "parts": [
            {
                "part": member.part.value,
                "name": member.name,
                "element": member.element,
                "text": member_text(found.program, member),
            }
            for member in conflict.members
        ],
    }


def _relaxation(relaxation: Relaxation) -> dict[str, Any]:
    return {
        "aim": relaxation.aim.value,
        "total": sum(shift.amount for shift in relaxation.shifts),
        "elements": list(relaxation.elements),
        "changes": [
            {
                "element": shift.element,
                "part": shift.part.value,
                "from": shift.old,
                "to": shift.new,
                "amount": shift.amount,
                "text": shift_text(shift),
            }
            for shift in relaxation.shifts
        ],
        "objective": relaxation.objective,
    }


def _candidate(program: LinearProgram, candidate: Candidate) -> dict[str, Any]:
    return {
        "elements": list(candidate.elements),
        "changes": [edit_text(program, edit) for edit in candidate.edits],
        "edits": [edit_json(edit) for edit in candidate.edits],
        "why": list(candidate.why),
        "score": round(candidate.score, 4),
        "status": candidate.status.value,
        "objective": candidate.objective,
    }


def edit_json(edit: AgentEdit) -> dict[str, Any]:
    """The edit as data; null is no bound."""
    match edit:
        case DropRow(row=row):
            return {"kind": "drop_row", "row": row}
        case SetRhs(row=row, value=value):
            return {"kind": "set_rhs", "row": row, "value": value}
        case SetSense(row=row, sense=sense):
            return {"kind": "set_sense", "row": row, "sense": sense.value}
        case SetCoefficient(row=row, variable=variable, value=value):
            return {"kind": "set_coefficient", "row": row, "variable": variable, "value": value}
        case SetBounds(variable=variable, lower=lower, upper=upper):
            return {"kind": "set_bounds", "variable": variable, "lower": _finite(lower), "upper": _finite(upper)}
        case SetType(variable=variable, type=type_):
            return {"kind": "set_type", "variable": variable, "type": type_.value}
        case _:
            assert_never(edit)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
