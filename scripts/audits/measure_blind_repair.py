"""What the algebra of a tiny program gives away to a reader who never sees the text.

    python scripts/audits/measure_blind_repair.py [--train 6000] [--test 1000]

A small network is trained on tasks of the training split to name the faulty element and the form of the fault from the
faulty program and its conflict alone; it then plays one turn of held-out tasks, with a repair that needs no text (a
reversed sense is turned back, an odd row dropped, a missing coefficient set to 1). Read a policy's FR@1 beside it: only
what lies above, and what is repaired of wrong numbers, can come from reading.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import Move, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.episodes.scoring import score_episode
from lit_grpo.environment.programs.edits import AgentEdit, DropRow, SetBounds, SetCoefficient, SetRhs, SetSense, SetType
from lit_grpo.environment.programs.program import (
    Constraint,
    Element,
    LinearProgram,
    Sense,
    Variable,
    VariableType,
    row_element,
    variable_element,
)
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, ConflictPart
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import RepairSummary, results_of
from lit_grpo.reports.tables import estimate_text

FORMS = (
    "reversed_sense",
    "wrong_lower_bound",
    "wrong_upper_bound",
    "wrong_type",
    "dropped",
    "negated",
    "unit_slip_10",
    "unit_slip_1000",
    "wrong_rhs",
    "added_row",
)
"""Of faults, as certificates call them."""
MOST_ROWS, NUM_VARIABLES = 4, 2
NUM_SLOTS = MOST_ROWS + NUM_VARIABLES
QUANTITIES = (Quantity.FR_1, Quantity.DIAGNOSIS_F1, Quantity.DIAGNOSIS_EXACT)


@dataclass(frozen=True, slots=True)
class Example:
    """A task as the network sees it."""

    task: Task
    features: list[float]
    suspects: list[bool]
    """[slot]: whether the slot's element is in the conflict."""
    slot: int
    form: int


def example(task: Task, solver: HighsSolver) -> Example:
    """Rows and variables by position, with what the conflict marks of them."""
    program = task.fault.faulty
    conflict = solver.conflict(program)
    assert conflict is not None, "tiny conflicts are found within every limit"
    rows: list[Constraint | None] = [*program.constraints, *[None] * (MOST_ROWS - len(program.constraints))]
    features = [x for row in rows for x in row_features(row, program, conflict)]
    features += [x for variable in program.variables for x in variable_features(variable, conflict)]
    features.append(float(len(program.constraints)))
    slots = slot_elements(program)
    suspects = [element in conflict.elements for element in slots]
    (faulty,) = task.fault.faulty_elements
    return Example(task, features, suspects, slots.index(faulty), FORMS.index(task.fault.certificate.variant))


def slot_elements(program: LinearProgram) -> list[Element | None]:
    """The element of each slot; None where there is no such row."""
    rows = [row_element(row.name) for row in program.constraints]
    return [*rows, *[None] * (MOST_ROWS - len(rows)), *(variable_element(v.name) for v in program.variables)]


def row_features(row: Constraint | None, program: LinearProgram, conflict: Conflict) -> list[float]:
    """Coefficients, sense, right-hand side, and how far it lies from what the bounds allow; zeros without a row."""
    if row is None:
        return [0.0] * 12
    terms = dict(row.terms)
    values = [terms.get(variable.name, 0.0) for variable in program.variables]
    ends = [
        sorted(a * bound for bound in v.effective_bounds) for a, v in zip(values, program.variables, strict=True) if a
    ]
    lowest, highest = sum(low for low, _ in ends), sum(high for _, high in ends)
    odd = [f(a) for a in values for f in (lambda a: a == 0, lambda a: a < 0, lambda a: abs(a) > 9)]
    distances = [signed_log(x) for x in (row.rhs, row.rhs - lowest, highest - row.rhs)]
    in_conflict = row_element(row.name) in conflict.elements
    return [*map(float, odd), *distances, float(row.sense is Sense.LESS_EQUAL), row.rhs % 10 == 0, float(in_conflict)]


def variable_features(variable: Variable, conflict: Conflict) -> list[float]:
    """Bounds, type, and which of them the conflict holds."""
    parts = {member.part for member in conflict.members if member.name == variable.name}
    marks = [part in parts for part in (ConflictPart.LOWER, ConflictPart.UPPER, ConflictPart.INTEGRALITY)]
    types = [variable.type is kind for kind in VariableType]
    return [signed_log(variable.lower), signed_log(variable.upper), *map(float, marks), *map(float, types)]


def signed_log(value: float) -> float:
    """A number in about [-20, 20], infinite ones included."""
    return math.copysign(min(20.0, math.log1p(abs(value))), value)


def tensors(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Features [n, f], admissible classes [n, slots x forms], class [n]."""
    on_variable = torch.tensor([form.startswith(("wrong_lower", "wrong_upper", "wrong_type")) for form in FORMS])
    is_variable = torch.arange(NUM_SLOTS) >= MOST_ROWS
    fits = is_variable[:, None] == on_variable
    suspects = torch.tensor([e.suspects for e in examples])
    admissible = (suspects[:, :, None] & fits).flatten(1)
    classes = torch.tensor([e.slot * len(FORMS) + e.form for e in examples])
    return torch.tensor([e.features for e in examples]), admissible, classes


def train(features: Tensor, admissible: Tensor, classes: Tensor, num_epochs: int) -> nn.Module:
    """A network of two hidden layers, cross-entropy over the admissible classes."""
    width = 192
    layers = [nn.Linear(features.shape[1], width), nn.GELU(), nn.Dropout(0.2), nn.Linear(width, width), nn.GELU()]
    network = nn.Sequential(*layers, nn.Dropout(0.2), nn.Linear(width, NUM_SLOTS * len(FORMS)))
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, num_epochs)
    for _ in range(num_epochs):
        for rows in torch.randperm(len(features)).split(128):
            logits = network(features[rows]).masked_fill(~admissible[rows], -1e9)
            optimizer.zero_grad()
            nn.functional.cross_entropy(logits, classes[rows]).backward()
            optimizer.step()
        schedule.step()
    return network.eval()


def blind_move(program: LinearProgram, slot: int, form: str) -> Move:
    """The best repair of a fault of this form that needs no text; of a wrong number, a guess."""
    if slot >= MOST_ROWS:
        variable = program.variables[slot - MOST_ROWS]
        return Move(blind_bounds(variable, form), (variable_element(variable.name),))
    row = program.constraints[slot]
    return Move(blind_row_edit(program, row, form), (row_element(row.name),))


def blind_bounds(variable: Variable, form: str) -> AgentEdit:
    """Whole numbers, from 0, or up to a usual limit."""
    if form == "wrong_type":
        return SetType(variable.name, VariableType.INTEGER)
    if form == "wrong_lower_bound":
        return SetBounds(variable.name, 0.0, variable.upper)
    return SetBounds(variable.name, variable.lower, max(40.0, variable.lower))


def blind_row_edit(program: LinearProgram, row: Constraint, form: str) -> AgentEdit:
    """What undoes the form, where the row shows it."""
    terms = dict(row.terms)
    name, value = max(terms.items(), key=lambda term: abs(term[1]))
    missing = next((v.name for v in program.variables if v.name not in terms), name)
    negative = next((n for n, a in row.terms if a < 0), name)
    match form:
        case "reversed_sense":
            return SetSense(row.name, row.sense.reversed)
        case "added_row":
            return DropRow(row.name)
        case "dropped":
            return SetCoefficient(row.name, missing, 1.0)
        case "negated":
            return SetCoefficient(row.name, negative, abs(terms[negative]))
        case "unit_slip_10" | "unit_slip_1000":
            return SetCoefficient(row.name, name, value / (10 if form == "unit_slip_10" else 1000))
        case _:
            return SetRhs(row.name, row.rhs / 10)


def play(task: Task, move: Move, solver: HighsSolver) -> ScoredTask:
    """One turn."""
    episode = RepairEpisode(task.problem, solver, EpisodeSettings())
    episode.step(render(move))
    if episode.stop_reason is None:
        episode.end(StopReason.TURN_LIMIT)
    record = episode.record()
    return ScoredTask.of(task, record.stop_reason, score_episode(record, task.fault, solver))


def main() -> None:
    """Train, play, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=int, default=6000, help="tasks (%(default)s)")
    parser.add_argument("--test", type=int, default=1000, help="held-out tasks (%(default)s)")
    parser.add_argument("--epochs", type=int, default=60, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    solver, settings = HighsSolver(), TaskSettings(size=ProgramSize.TINY)
    seen, held_out = (
        [example(generate_task(settings, split, options.seed, i, solver), solver) for i in range(number)]
        for split, number in ((Split.TRAIN, options.train), (Split.TEST, options.test))
    )
    features, admissible, classes = tensors(seen)
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    network = train((features - mean) / deviation, admissible, classes, options.epochs)
    features, admissible, _ = tensors(held_out)
    with torch.no_grad():
        named = network((features - mean) / deviation).masked_fill(~admissible, -1e9).argmax(1).tolist()
    moves = [
        blind_move(e.task.fault.faulty, choice // len(FORMS), FORMS[choice % len(FORMS)])
        for e, choice in zip(held_out, named, strict=True)
    ]
    results = results_of([play(e.task, move, solver) for e, move in zip(held_out, moves, strict=True)])
    parts: dict[str, RepairSummary] = {"all": results.overall, **{k.value: s for k, s in results.by_kind.items()}}
    table = Table("kind", *QUANTITIES, title=f"{len(held_out)} tiny held-out tasks, no text, percent (95 % interval)")
    for name, summary in parts.items():
        table.add_row(name, *(estimate_text(summary.estimates[quantity], quantity) for quantity in QUANTITIES))
    Console(width=100).print(table)
    chance = sum(1 / sum(e.suspects) for e in held_out) / len(held_out)
    print(f"A suspect named at random is the faulty one in {100 * chance:.1f} % of the tasks.")


if __name__ == "__main__":
    main()
