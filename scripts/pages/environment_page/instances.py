"""One generated instance of each kind of fault, as a person would read it: what is shown, what is wrong, what the
certificate says, and the repair as it is played.

Called by document_environment.py. An instance is a function of its row in `INSTANCES` and of the generator's version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import Domain
from lit_grpo.environment.episodes.actions import Move, render
from lit_grpo.environment.episodes.elements import algebra_of
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.certificates import (
    BoundConflicts,
    Cascade,
    DistantCause,
    Evidence,
    IndependentConflicts,
    RowDeletion,
    Tie,
)
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.program import Element
from lit_grpo.environment.solver.solver import Conflict, Solver


@dataclass(frozen=True, slots=True)
class Instance:
    """Which task is shown for a kind."""

    kind: FaultKind
    title: str
    domain: Domain
    margin: str
    """What ``property_margin`` is for the kind."""
    seed: int = 0


INSTANCES = (
    Instance(
        FaultKind.SENSE,
        "a sense reversed",
        Domain.PRODUCTION,
        "the other rows and bounds imply the true row by this much, so that its opposite cannot hold",
    ),
    Instance(FaultKind.BOUND_OR_TYPE, "a bound or a type wrong", Domain.CAPITAL_BUDGETING, "the violation again"),
    Instance(FaultKind.COEFFICIENT, "a coefficient wrong", Domain.BLENDING, "the violation again"),
    Instance(
        FaultKind.RIGHT_HAND_SIDE,
        "a right-hand side wrong, or a row added",
        Domain.SET_COVERING,
        "the violation again",
    ),
    Instance(
        FaultKind.MULTIPLE,
        "several independent faults",
        Domain.STAFFING,
        "at least this much violation is left, whichever one element is taken out",
    ),
    Instance(
        FaultKind.DISTANT,
        "a distant cause",
        Domain.NETWORK_FLOW,
        "what the faulty element alone would have to give way by, beyond the smallest relaxation",
    ),
    Instance(FaultKind.CASCADE, "a cascade", Domain.LOT_SIZING, "the violation once the first fault is repaired"),
    Instance(
        FaultKind.BOUND_CONFLICT,
        "a conflict between bounds",
        Domain.FACILITY_LOCATION,
        "the violation that is left without the rows of the first conflict",
    ),
    Instance(
        FaultKind.AMBIGUOUS,
        "an ambiguous fault",
        Domain.ASSIGNMENT,
        "relative spread of the cheapest repairs",
    ),
)


def instances_text(solver: Solver) -> str:
    """All nine, as Markdown."""
    return "\n".join(_instance_text(instance, solver) for instance in INSTANCES)


def _instance_text(instance: Instance, solver: Solver) -> str:
    settings = TaskSettings(kinds={instance.kind: 1.0}, difficulties={Difficulty.EASY: 1.0}, domains=(instance.domain,))
    task = generate_task(settings, Split.TEST, instance.seed, 0, solver)
    episode = RepairEpisode(task.problem, solver, EpisodeSettings())
    parts = [
        f"### {instance.kind}: {instance.title}\n",
        f"From the domain {instance.domain.value}, easy. What the agent sees:\n",
        _fenced(episode.observation),
        "What is wrong:\n",
        *_differences(task),
        "",
        "What the certificate says:\n",
        *_certificate(task, instance),
        "",
        "The repair, as it is played:\n",
        _fenced("\n".join(_turns(task, episode))),
    ]
    return "\n".join(parts)


def _fenced(text: str) -> str:
    return f"```\n{text}\n```\n"


def _differences(task: Task) -> Iterator[str]:
    true, faulty = algebra_of(task.fault.original), algebra_of(task.fault.faulty)
    for element in task.fault.faulty_elements:
        meant = f"should say `{true[element]}`" if element in true else "no sentence asks for it"
        yield f"- `{element}` says `{faulty[element]}`, and {meant}"


def _turns(task: Task, episode: RepairEpisode) -> Iterator[str]:
    for edit in task.fault.inverse:
        text = render(Move(edit, task.fault.faulty_elements))
        yield f"> {text}"
        yield episode.step(text).observation


def _certificate(task: Task, instance: Instance) -> Iterator[str]:
    fault, certificate = task.fault, task.fault.certificate
    yield f"- `variant` {certificate.variant}; optimum of the original {_number(fault.original_objective)}"
    if certificate.violation:
        yield f"- `violation` {_number(certificate.violation)}: rows and bounds must give way by that in sum, at least"
    else:
        yield "- `violation` 0: only integrality makes it infeasible, as a completed branch and bound has shown"
    yield f"- `property_margin` {_number(certificate.property_margin)}: {instance.margin}"
    yield f"- `conflict_size` {certificate.conflict_size}, `num_decoys` {certificate.num_decoys}"
    if certificate.evidence is not None:
        yield from (f"- `evidence`: {line}" for line in _evidence(certificate.evidence))


def _evidence(evidence: Evidence) -> Iterator[str]:
    match evidence:
        case IndependentConflicts(conflicts):
            yield "a conflict for each fault, without the others: " + "; ".join(map(_conflict, conflicts))
        case DistantCause(deletions, relaxed, alone):
            yield "deleting a true row of the conflict leads to: " + "; ".join(map(_deletion, deletions))
            yield f"the smallest relaxation gives way at {_names(relaxed)}"
            yield f"alone, the faulty element would have to give way by {_number(alone)}"
        case Cascade(revealed, objective_without):
            yield f"once the first is repaired, the conflict is {_conflict(revealed)}"
            yield f"without the first element the optimum is {_number(objective_without)}"
        case BoundConflicts(conflicts):
            yield "conflicts that share bounds alone: " + "; ".join(map(_conflict, conflicts))
        case Tie(repairs):
            each = (f"{_names((repair.element,))} by {_number(repair.amount)}" for repair in repairs)
            yield "each ends all conflicts by giving way alone: " + "; ".join(each)


def _deletion(deletion: RowDeletion) -> str:
    found = "" if deletion.objective is None else f" at {_number(deletion.objective)}"
    return f"`{deletion.row}` {deletion.status}{found}"


def _conflict(conflict: Conflict) -> str:
    return "`" + ", ".join(conflict.elements) + "`"


def _names(elements: tuple[Element, ...]) -> str:
    return ", ".join(f"`{element}`" for element in elements)


def _number(value: float) -> str:
    """Six digits; what is below the solver's tolerance is nothing."""
    return f"{0.0 if abs(value) < 1e-9 else value:.6g}"
