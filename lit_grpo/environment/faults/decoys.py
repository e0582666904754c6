"""How many true requirements look as guilty as the faulty one: the decoys of a conflict.

Called by kinds/. Pure arithmetic on the conflict; nothing is solved.

An irreducible conflict of linear requirements ``g_i x >= h_i`` has exactly one combination, up to scale, with
multipliers ``m_i > 0``, ``sum m_i g_i = 0`` and ``sum m_i h_i = D > 0`` (Farkas). Moving requirement i alone by
``D / m_i`` ends the conflict. A decoy is another element of the conflict that ends it by moving no further than the
faulty element would have to: a true requirement that is as tight, and what a cheapest repair (L1) may blame.
"""

from __future__ import annotations

import numpy as np

from lit_grpo.environment.programs.program import Element, LinearProgram
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart

ROUNDING = 1e-9
"""Relative; multipliers that differ by less are equal."""


def count_decoys(program: LinearProgram, conflict: Conflict, *faulty: Element) -> int:
    """Decoys of a conflict of the linear program (no integrality in it) that holds a faulty element.

    Of several faulty elements in the conflict the one that would have to move least is compared with.
    """
    multipliers = farkas_multipliers(program, conflict)
    tight = max(multipliers[element] for element in faulty if element in multipliers) * (1 - ROUNDING)
    return sum(multiplier >= tight for element, multiplier in multipliers.items() if element not in faulty)


def farkas_multipliers(program: LinearProgram, conflict: Conflict) -> dict[Element, float]:
    """The multiplier of each element of the conflict, up to a common scale: the larger, the less it has to move."""
    position = {v.name: i for i, v in enumerate(program.variables)}
    gradients = np.zeros((len(conflict.members), len(position)))
    for i, member in enumerate(conflict.members):
        for name, value in _terms(program, member):
            gradients[i, position[name]] = value
    multipliers: dict[Element, float] = {}
    for member, multiplier in zip(conflict.members, np.abs(_null_vector(gradients)).tolist(), strict=True):
        multipliers[member.element] = max(multiplier, multipliers.get(member.element, 0.0))
    return multipliers


def _terms(program: LinearProgram, member: ConflictMember) -> tuple[tuple[str, float], ...]:
    """The gradient up to its sign, which is the multiplier's."""
    return program.constraint(member.name).terms if member.part is ConflictPart.ROW else ((member.name, 1.0),)


def _null_vector(gradients: np.ndarray) -> np.ndarray:
    """The one direction ``m`` with ``m @ gradients = 0``: the left singular vector of the smallest singular value."""
    return np.linalg.svd(gradients, full_matrices=True)[0][:, -1]
