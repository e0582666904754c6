"""A few rows of a program with what is said of them: short texts in the words of long ones, to practise reading on.

Called by data/proofreading.py. An excerpt need be neither feasible nor bounded: it is read, never solved.
"""

from __future__ import annotations

import random
from dataclasses import replace

from lit_grpo.environment.programs.program import LinearProgram, row_element, variable_element
from lit_grpo.environment.programs.specification import Specification


def excerpt(
    program: LinearProgram, specification: Specification, max_rows: int, rng: random.Random
) -> tuple[LinearProgram, Specification]:
    """1 to ``max_rows`` rows drawn at random, the variables in them, no objective, and the sentences about all these.

    Everything stays in the order in which it stands in the whole program and its specification.
    """
    num_rows = min(rng.randint(1, max_rows), len(program.constraints))
    chosen = sorted(rng.sample(range(len(program.constraints)), num_rows))
    rows = tuple(program.constraints[i] for i in chosen)
    named = {name for row in rows for name, _ in row.terms}
    variables = tuple(variable for variable in program.variables if variable.name in named)
    kept = {row_element(row.name) for row in rows} | {variable_element(variable.name) for variable in variables}
    sentences = tuple(sentence for sentence in specification.sentences if sentence.about in kept)
    return replace(program, objective=(), variables=variables, constraints=rows), Specification(sentences)
