"""The oracle's move in any state of an episode, however an agent came there.

Called by repair_environment.py, for whoever learns from an oracle, and by baselines.py.

An untouched fault is repaired by its inverse, edit by edit, as in demonstrations. What an agent has spoilt since is
set right where that is shorter than to go back (`restore`) and to begin again, and before the fault itself: an episode
ends at the first optimal program, which has to be the original. A row that was dropped comes back with `restore` alone.
"""

from __future__ import annotations

from lit_grpo.environment.episodes.actions import Move, Restore, Submit
from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.programs.difference import elements_of, true_edits
from lit_grpo.environment.programs.edits import AgentEdit
from lit_grpo.environment.programs.program import LinearProgram


def right_move(program: LinearProgram, fault: GroundTruth) -> Move:
    """The first move of the shortest way from ``program``, as it stands, to the original, with the true diagnosis.

    Going back states no diagnosis, as in demonstrations, and is preferred where both ways are equally long.
    """
    left = _edits_left(program, fault)
    if left is None or len(left) > len(fault.inverse):
        return Move(Restore())
    elements = fault.faulty_elements
    return Move.in_repair(left[0], elements) if left else Move(Submit(), elements)


def _edits_left(program: LinearProgram, fault: GroundTruth) -> tuple[AgentEdit, ...] | None:
    """The edits that make ``program`` the original, in the order to make them; None where a row of it is missing."""
    rows = {row.name for row in program.constraints}
    if any(row.name not in rows for row in fault.original.constraints):
        return None
    edits = [edit for element in elements_of(program) for edit in true_edits(element, program, fault.original)]
    spoilt = (edit for edit in edits if edit not in fault.inverse)
    return (*spoilt, *(edit for edit in fault.inverse if edit in edits))
