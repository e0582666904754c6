"""A reader of specifications who errs: each sentence is read right with a given probability.

Called by reference_policies.py. The sentences determine the true program completely, so whoever reads them all right
has it. A sentence that is misread is read with the eye on the model: taken to ask for what stands there, but for one
number, sense or type. So a true element causes a false alarm, and the faulty one gets another wrong number. Which
elements are faulty plays no part in it.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from random import Random

from lit_grpo.environment.faults.ground_truth import GroundTruth
from lit_grpo.environment.programs.difference import elements_of, random_slip
from lit_grpo.environment.programs.edits import AgentEdit, SetBounds, SetCoefficient, SetRhs, SetSense, SetType, apply
from lit_grpo.environment.programs.program import Constraint, LinearProgram, Sense, Variable, VariableType

ACCURACY = 0.8
"""Of the reference policies: of five sentences they read four right."""


@dataclass(frozen=True, slots=True)
class NoisyReader:
    """Reads a whole specification once; what it has read it believes.

    ``NoisyReader(accuracy=1.0).read(fault) == fault.original``
    """

    accuracy: float = ACCURACY
    """Probability of reading a sentence right, in [0, 1]; independent for each sentence."""
    reading: int = 0
    """Number of the reading: another one errs elsewhere."""

    def __post_init__(self) -> None:
        if not 0 <= self.accuracy <= 1:
            raise ValueError(f"expected accuracy in [0, 1], got {self.accuracy}; it is a share of sentences")

    def read(self, fault: GroundTruth) -> LinearProgram:
        """The program that the specification asks for, as this reader understands it.

        A row that no sentence asks for is noticed with the same probability, otherwise taken for asked for.
        """
        original, faulty = fault.original, fault.faulty
        task = hashlib.sha256(repr((original, faulty)).encode()).hexdigest()
        rows = {row.name: row for row in original.constraints}
        variables = {variable.name: variable for variable in original.variables}
        for element in elements_of(faulty):
            rng = Random(f"{self.reading}/{task}/{element}")
            if rng.random() < self.accuracy:
                continue
            kind, _, name = element.partition(":")
            if kind == "var":
                variables[name] = _misread_variable(faulty, variables[name], rng)
            else:
                rows[name] = _misread_row(faulty, rows[name], rng) if name in rows else faulty.constraint(name)
        return replace(original, variables=tuple(variables.values()), constraints=tuple(rows.values()))


def _misread_row(faulty: LinearProgram, true: Constraint, rng: Random) -> Constraint:
    """Not right by accident, and with all the terms that stand there."""
    stands = faulty.constraint(true.name)
    while True:
        read = apply(faulty, _row_slip(stands, rng)).constraint(true.name)
        if read != true and len(read.terms) == len(stands.terms):
            return read


def _misread_variable(faulty: LinearProgram, true: Variable, rng: Random) -> Variable:
    """Not right by accident."""
    while True:
        read = apply(faulty, _range_slip(faulty.variable(true.name), rng)).variable(true.name)
        if read != true:
            return read


def _row_slip(row: Constraint, rng: Random) -> AgentEdit:
    """Sense, right-hand side and each coefficient are as likely mistaken."""
    at = rng.randrange(2 + len(row.terms))
    if at == 0:
        senses = [sense for sense in (Sense.LESS_EQUAL, Sense.GREATER_EQUAL) if sense is not row.sense]
        return SetSense(row.name, rng.choice(senses))
    if at == 1:
        return SetRhs(row.name, random_slip(row.rhs, rng))
    name, value = row.terms[at - 2]
    return SetCoefficient(row.name, name, random_slip(value, rng))


def _range_slip(variable: Variable, rng: Random) -> AgentEdit:
    """A decision taken for settled, or for one of shares; of other variables another least or greatest number."""
    if variable.type is VariableType.BINARY:
        settled = float(rng.randint(0, 1))
        shares = SetType(variable.name, VariableType.CONTINUOUS)
        return rng.choice((shares, SetBounds(variable.name, settled, settled)))
    while True:
        lower, upper = variable.lower, variable.upper
        if math.isfinite(upper) and rng.random() < 0.5:
            upper = random_slip(upper, rng)
        else:
            lower = random_slip(lower, rng) if math.isfinite(lower) else 0.0
        if lower <= upper:
            return SetBounds(variable.name, lower, upper)
