"""The form that each fault of a record has, told from the two programs alone: what ``variant`` should say.

Called by certificates.py.
"""

from __future__ import annotations

from lit_grpo.suite_checker.case import Case
from lit_grpo.suite_checker.programs import Edit
from lit_grpo.suite_checker.strict_json import RecordError

BY_ACTION = {"set_sense": "reversed_sense", "set_rhs": "wrong_rhs", "set_type": "wrong_type", "drop": "added_row"}
"""The variant by the action of the inverse."""
BY_FACTOR = {0.0: "dropped", -1.0: "negated", 10.0: "unit_slip_10", 1000.0: "unit_slip_1000"}
"""Wrong coefficient over true one."""


def variant_of(case: Case) -> str:
    """The variants of all faults, joined; RecordError for one that has no name."""
    return "+".join(_variant(case, edit) for edit in case.record.edits)


def _variant(case: Case, edit: Edit) -> str:
    name = edit.element.partition(":")[2]
    match edit.action:
        case "set_bounds":
            wrong, true = case.record.faulty.variables[name], case.record.original.variables[name]
            if wrong.lower != true.lower and wrong.upper != true.upper:
                raise RecordError(f"expected one wrong bound of {name}, got {wrong} for {true}")
            if wrong.lower > wrong.upper:
                return "crossed_bounds"
            return "wrong_upper_bound" if wrong.lower == true.lower else "wrong_lower_bound"
        case "set_coefficient":
            wrong, true = case.record.faulty.rows[name].terms, case.record.original.rows[name].terms
            factors = [wrong.get(variable, 0.0) / value for variable, value in true.items()]
            named = [BY_FACTOR[round(f, 9)] for f in factors if round(f, 9) in BY_FACTOR and round(f, 9) != 1.0]
            if len(named) != 1:
                raise RecordError(
                    f"expected a coefficient dropped, negated, or 10 or 1000 times too large, got {wrong}"
                )
            return named[0]
        case "set_sense":
            wrong, true = case.record.faulty.rows[name].sense, case.record.original.rows[name].sense
            if {wrong, true} != {"<=", ">="}:
                raise RecordError(f"expected the sense of an inequality reversed, got {true} made {wrong} in {name}")
            return BY_ACTION["set_sense"]
        case action:
            return BY_ACTION[action]
