"""Tasks: 1 a function of (settings, split, seed, index); 2 splits share nothing; 3 an unfillable cell is an error;
4 bad settings are refused.
"""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from jsonargparse import ArgumentParser

from lit_grpo.data.splits import Split, split_of
from lit_grpo.data.task import TaskSettings, UnfilledCellError, generate_task, make_task
from lit_grpo.environment.domains import build_base, domains_of
from lit_grpo.environment.domains.base import Domain, ProgramSize, Wording
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind, kinds_of, suits
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, Solution, SolverStatus, Violation

TINY = TaskSettings(size=ProgramSize.TINY)
QUICK = replace(TINY, kinds={FaultKind.RIGHT_HAND_SIDE: 1.0}, difficulties={Difficulty.HARD: 1.0})


def test_1_the_same_place_holds_the_same_task() -> None:
    """Whatever the solver object has done before; another seed or index is another task."""
    fresh = [generate_task(TINY, Split.TRAIN, 0, i, HighsSolver()) for i in range(12)]
    used = HighsSolver()
    again = [generate_task(TINY, Split.TRAIN, 0, i, used) for i in reversed(range(12))]
    assert fresh == again[::-1]
    other = generate_task(TINY, Split.TRAIN, 1, 0, used)
    assert len({task.id for task in [*fresh, other]}) == 13


def test_1b_the_id_is_of_the_content() -> None:
    task = generate_task(TINY, Split.TRAIN, 0, 0, HighsSolver())
    assert make_task(task.domain, task.specification, task.fault) == task
    fault = replace(task.fault, faulty=task.fault.original)
    assert make_task(task.domain, task.specification, fault).id != task.id


def test_1c_every_cell_asked_for_occurs() -> None:
    tasks = [generate_task(TINY, Split.TRAIN, 2, i, _SOLVER) for i in range(150)]
    assert {t.domain for t in tasks} == set(domains_of(ProgramSize.TINY))
    assert {(t.fault.kind, t.fault.difficulty) for t in tasks} == {
        (k, d) for k in kinds_of(ProgramSize.TINY) for d in Difficulty
    }
    only = replace(TINY, kinds={FaultKind.SENSE: 1.0, FaultKind.COEFFICIENT: 0.0}, domains=(Domain.STAFFING,))
    tasks = [generate_task(only, Split.TRAIN, 2, i, _SOLVER) for i in range(8)]
    assert {(t.fault.kind, t.domain) for t in tasks} == {(FaultKind.SENSE, Domain.STAFFING)}


def test_2_splits_share_neither_task_nor_program() -> None:
    """No id twice, no original in two splits, even with names and the order of rows undone."""
    tasks = {split: [generate_task(QUICK, split, 7, i, _SOLVER) for i in range(150)] for split in Split}
    everything = [task for split in Split for task in tasks[split]]
    assert len({task.id for task in everything}) == len(everything)
    first, second, third = ({_nameless(task.fault.original) for task in tasks[split]} for split in Split)
    assert not first & second
    assert not first & third
    assert not second & third
    for split in Split:
        assert all(task.split is split and split_of(task.fault.original) is split for task in tasks[split])


def test_2a_eight_programs_of_ten_are_for_training() -> None:
    """Of 4,000 tiny programs (standard error of the share: 0.6 points); equal programs always agree."""
    rng = Random(0)
    programs = [build_base(d, ProgramSize.TINY, Wording(), rng).program for d in list(Domain)[:4] for _ in range(1000)]
    splits: dict[str, set[Split]] = {}
    for program in programs:
        splits.setdefault(_nameless(program), set()).add(split_of(program))
    assert all(len(found) == 1 for found in splits.values())
    shares = Counter(split_of(program) for program in programs)
    assert shares[Split.TRAIN] / 4000 == pytest.approx(0.8, abs=0.03)
    assert shares[Split.VALIDATION] / 4000 == pytest.approx(0.1, abs=0.03)


def test_2b_names_and_order_of_rows_do_not_move_a_program() -> None:
    program = generate_task(TINY, Split.TEST, 0, 0, _SOLVER).fault.original
    renamed = tuple(replace(row, name=f"row_{i}") for i, row in enumerate(reversed(program.constraints)))
    assert split_of(replace(program, constraints=renamed)) is Split.TEST


def test_3_a_cell_that_cannot_be_filled_is_named() -> None:
    with pytest.raises(
        UnfilledCellError, match=r"staffing/C/easy.*200 base programs.*a solver's limit was reached: 200"
    ):
        generate_task(
            TaskSettings(ProgramSize.TINY, {FaultKind.COEFFICIENT: 1.0}, {Difficulty.EASY: 1.0}, (Domain.STAFFING,)),
            Split.TRAIN,
            0,
            0,
            _GivesUp(),
        )


def test_4_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="expected kinds with weights"):
        TaskSettings(kinds={FaultKind.SENSE: 0.0})
    with pytest.raises(ValueError, match="expected difficulties with weights"):
        TaskSettings(difficulties={})
    with pytest.raises(ValueError, match="expected at least one domain"):
        TaskSettings(domains=())
    with pytest.raises(ValueError, match=r"expected data\.tasks\.kinds with weights of A, .*, I, got 'Z'"):
        _configured("--tasks.kinds", '{"Z": 1.0}')
    with pytest.raises(ValueError, match="expected kinds of A, B, C, D, got E; change kinds or size"):
        TaskSettings(size=ProgramSize.TINY, kinds={FaultKind.MULTIPLE: 1.0})
    with pytest.raises(ValueError, match="has room for I/easy, got capital_budgeting; add domains"):
        TaskSettings(
            kinds={FaultKind.AMBIGUOUS: 1.0}, difficulties={Difficulty.EASY: 1.0}, domains=(Domain.CAPITAL_BUDGETING,)
        )


def test_4a_a_domain_without_room_is_not_drawn() -> None:
    """Half of the domains asked for have no room for ambiguous faults: all tasks come from the other one."""
    both = (Domain.CAPITAL_BUDGETING, Domain.LOT_SIZING)
    settings = TaskSettings(kinds={FaultKind.AMBIGUOUS: 1.0}, difficulties={Difficulty.EASY: 1.0}, domains=both)
    assert [suits(domain, FaultKind.AMBIGUOUS, Difficulty.EASY) for domain in both] == [False, True]
    tasks = [generate_task(settings, Split.TRAIN, 0, i, _SOLVER) for i in range(8)]
    assert {task.domain for task in tasks} == {Domain.LOT_SIZING}


def test_4b_a_configuration_names_kinds_by_letter() -> None:
    configured = _configured("--tasks.kinds", '{"A": 1.0, "D": 2.0}', "--tasks.difficulties", '{"hard": 1.0}')
    assert configured.kinds == {FaultKind.SENSE: 1.0, FaultKind.RIGHT_HAND_SIDE: 2.0}
    assert generate_task(configured, Split.TRAIN, 0, 0, _SOLVER).fault.difficulty is Difficulty.HARD


def _configured(*arguments: str) -> TaskSettings:
    parser = ArgumentParser()
    parser.add_class_arguments(TaskSettings, "tasks")
    return parser.instantiate(parser.parse_args(["--tasks.size", "TINY", *arguments])).tasks


class _GivesUp:
    """A solver whose ranges are all far away, and whose conflicts are never found."""

    def solve(self, program: LinearProgram) -> Solution:
        values = tuple(0.0 for _ in program.variables)
        return Solution(SolverStatus.OPTIMAL, 1e6 if program.direction.value == "minimize" else -1e6, values)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        return None

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        return None


_SOLVER = HighsSolver()


def _nameless(program: LinearProgram) -> str:
    rows = sorted((tuple(v for _, v in c.terms), c.sense.value, c.rhs) for c in program.constraints)
    variables = [(v.lower, v.upper, v.type.value) for v in program.variables]
    return repr((program.direction.value, [v for _, v in program.objective], variables, rows))
