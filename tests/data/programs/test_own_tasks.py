"""Tasks made of a user's own programs, through the settings and functions that serve the domains.

1. A task is a function of its index, is of its split's programs alone, and its fault is certified like any other.
2. Settings that cannot be are refused in one line; kinds that nothing has room for are left out unless asked for.
3. An evaluation plays each task once, and fewer than asked for where there are no more; and says what it played.
4. Records keep the split, which their content alone does not say.
5. A suite is made of the programs in test; the checker refuses others, and texts about what is not there.
6. Beside the domains, the user's programs are one of them.
7. A fault that comes again in training is another task by its name, by which its attempts are drawn.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from own_programs import write_bakeries

from lit_grpo.commands.main import main
from lit_grpo.data.benchmark import task_from_record, task_to_record
from lit_grpo.data.dataset import drawn_program
from lit_grpo.data.held_out_tasks import held_out_tasks
from lit_grpo.data.manifest import Manifest
from lit_grpo.data.played import GeneratedTasks, Played
from lit_grpo.data.splits import Cell, Split, program_digest
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.data.training_tasks import TrainingTasks
from lit_grpo.environment.domains.base import Domain, ProgramSize
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.edits import apply_all
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import SolverStatus
from lit_grpo.seeds import Seed
from lit_grpo.suite_checker.certificates import failures
from lit_grpo.suite_checker.records import read_record
from lit_grpo.suite_checker.requirements import Judge

SOLVER = HighsSolver()
A, D = FaultKind.SENSE, FaultKind.RIGHT_HAND_SIDE
EASY = {Difficulty.EASY: 1.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six in training, five in validation, one in test."""
    return write_bakeries(tmp_path_factory.mktemp("own"), range(12))


@pytest.fixture(scope="module")
def settings(folder: Path) -> TaskSettings:
    return TaskSettings(kinds={A: 1.0, D: 1.0}, difficulties=EASY, programs=folder)


def test_1_a_task_is_of_its_splits_programs(settings: TaskSettings) -> None:
    originals: dict[Split, set[str]] = {}
    for split in Split:
        tasks = [generate_task(settings, split, 0, index, SOLVER) for index in range(12)]
        assert [generate_task(settings, split, 0, index, HighsSolver()) for index in range(12)] == tasks
        assert {(task.domain, task.split) for task in tasks} == {(Domain.PROGRAMS, split)}
        originals[split] = {program_digest(task.fault.original) for task in tasks}
        assert originals[split] <= {program.own.digest for program in settings.pool.of_split(split)}
        for fault in (task.fault for task in tasks):
            assert SOLVER.solve(fault.faulty).status is SolverStatus.INFEASIBLE
            assert apply_all(fault.faulty, fault.inverse) == fault.original
            assert fault.certificate.violation >= 1e-4
    assert len(originals[Split.TRAIN]) > 1
    assert not originals[Split.TRAIN] & (originals[Split.TEST] | originals[Split.VALIDATION])


def test_1b_a_program_to_read_is_of_its_split_as_well(settings: TaskSettings) -> None:
    drawn = {program_digest(drawn_program(settings, Split.TRAIN, Random(seed)).program) for seed in range(40)}
    assert drawn == {program.own.digest for program in settings.pool.of_split(Split.TRAIN)}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda f: TaskSettings(ProgramSize.TINY, programs=f),
            "data.tasks.size: expected null with programs of",
        ),
        (lambda f: TaskSettings(domains=(Domain.STAFFING,), programs=f), "data.tasks.domains: expected PROGRAMS among"),
        (
            lambda f: TaskSettings(domains=(Domain.PROGRAMS,)),
            "expected at least one domain, .*got programs",
        ),
        (
            lambda f: generate_task(
                TaskSettings(kinds={FaultKind.DISTANT: 1.0}, difficulties=EASY, programs=f), Split.TRAIN, 0, 0, SOLVER
            ),
            "got F at easy; leave them out",
        ),
        (
            lambda f: TaskSettings(kinds={FaultKind.DISTANT: 1.0, A: 1.0}, programs=f).require_programs(),
            r"data.tasks.kinds: expected kinds that programs of each split have room for, got F at easy, medium, hard.*"
            r"`lit-grpo programs .*` lists",
        ),
    ],
)
def test_2_what_cannot_be_is_one_line(folder: Path, make: Callable[[Path], object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as raised:
        make(folder)
    assert "\n" not in str(raised.value)


def test_2b_kinds_that_no_one_asked_for_are_left_out(folder: Path) -> None:
    settings = TaskSettings(difficulties=EASY, programs=folder)
    settings.require_programs()
    assert {kind.value for kind in settings.drawn_kinds} == set("ADEGHI")
    assert sum(settings.cells.values()) == pytest.approx(1.0)
    drawn = [generate_task(settings, Split.TRAIN, 3, index, SOLVER).fault.kind for index in range(40)]
    assert set(drawn) == set(settings.drawn_kinds)


def test_3_an_evaluation_plays_each_task_once(folder: Path, settings: TaskSettings) -> None:
    """One program with three rows has three reversed senses at most."""
    tasks = held_out_tasks(settings.of_cell(Cell(A, Difficulty.EASY)), Split.TEST, 0, 500, SOLVER)
    assert len({task.id for task in tasks}) == len(tasks) <= 3
    assert {task.fault.original for task in tasks} == {p.own.program for p in settings.pool.of_split(Split.TEST)}
    few = held_out_tasks(settings, Split.VALIDATION, 5, 4, SOLVER)
    played = Played(GeneratedTasks(settings, Split.VALIDATION, 5, 4), EpisodeSettings())
    again = Played.from_json(json.loads(json.dumps(played.to_json())), "results.json")
    assert again == played
    assert list(again.read_tasks()) == list(few)


def test_4_a_record_keeps_the_split(settings: TaskSettings) -> None:
    tasks = [generate_task(settings, split, 0, index, SOLVER) for split in Split for index in range(3)]
    assert [task_from_record(task_to_record(task)) for task in tasks] == tasks


def test_5_a_suite_is_made_and_checked(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--programs", str(folder), "--difficulties", "easy", "--workers", "1"]
    suite = tmp_path / "suite"
    assert main(["suite", "make", *words, "--kinds", "DEG", "--num-tasks", "3", "--output", str(suite)]) == 0
    assert main(["suite", "check", str(suite), "--workers", "1"]) == 0
    digests = json.loads((suite / "suite.json").read_text())["programs"]
    assert digests == list(TaskSettings(programs=folder).pool.digests)
    assert Manifest.read(suite).settings.to_json()["programs"] == digests
    capsys.readouterr()
    assert main(["suite", "make", *words, "--kinds", "A", "--num-tasks", "9", "--output", str(tmp_path / "many")]) == 2
    assert "cell A easy: expected 9 different tasks, got " in capsys.readouterr().err
    assert main(["suite", "make", *words, "--kinds", "F", "--output", str(tmp_path / "none")]) == 2
    assert "got F at easy; leave them out" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_5b_the_checker_knows_whose_turn_it_is(settings: TaskSettings) -> None:
    def found(of: Split, **changed: object) -> list[str]:
        fields = task_to_record(generate_task(settings, of, 0, 0, SOLVER)) | changed
        return list(failures(read_record(json.dumps(fields)), Judge(), None, settings.pool.digests))

    assert found(Split.TEST) == []
    assert found(Split.TRAIN) == [
        "expected the split test, got train",
        "expected an original program that the manifest's programs have in test, got another",
    ]
    assert found(Split.TRAIN, split="test") == [
        "expected an original program that the manifest's programs have in test, got another"
    ]
    without = read_record(json.dumps(task_to_record(generate_task(settings, Split.TEST, 0, 0, SOLVER))))
    assert list(failures(without, Judge())) == [
        "expected a manifest with the digests of the user's programs beside such a record, got none"
    ]
    tiny = TaskSettings(size=ProgramSize.TINY)
    theirs = read_record(json.dumps(task_to_record(generate_task(tiny, Split.TEST, 0, 0, SOLVER))))
    assert list(failures(theirs, Judge(), "tiny", settings.pool.digests)) == [
        f"expected a user's program, as the manifest says, got one of {theirs.fields['domain']}"
    ]
    sentences = [{"text": "The stove is out.", "about": "row:stove"}, {"text": " ", "about": None}]
    assert found(Split.TEST, specification=sentences)[1:] == [
        "expected sentences about elements of the original program, got one about row:stove",
        "expected a text in every sentence, got an empty one",
    ]


def test_6_they_are_one_domain_of_several(folder: Path) -> None:
    both = TaskSettings(domains=(Domain.PROGRAMS, Domain.PRODUCTION), difficulties=EASY, programs=folder)
    tasks = [generate_task(both, Split.TRAIN, 1, index, SOLVER) for index in range(40)]
    kinds = {domain: {task.fault.kind for task in tasks if task.domain is domain} for domain in Domain}
    assert kinds[Domain.PRODUCTION] >= {FaultKind.COEFFICIENT, FaultKind.DISTANT}
    assert kinds[Domain.PROGRAMS]
    assert not kinds[Domain.PROGRAMS] & {FaultKind.COEFFICIENT, FaultKind.DISTANT}
    assert set(both.drawn_kinds) == set(FaultKind)


def test_7_a_fault_that_comes_again(tmp_path: Path) -> None:
    """Right-hand sides of a program or two: few faults, which 84 tasks repeat."""
    settings = TaskSettings(kinds={D: 1.0}, difficulties=EASY, programs=write_bakeries(tmp_path, range(3)))
    one = TrainingTasks(settings, Seed(0), 40, rank=0, world_size=1)
    tasks = [*one.of_batch(0), *one.refill(0, 1, range(4)), *one.of_batch(1)]
    assert len({task.id for task in tasks}) == len(tasks)
    assert len({task.id.split()[0] for task in tasks}) < len(tasks)
    halves = [TrainingTasks(settings, Seed(0), 40, rank, world_size=2).of_batch(1) for rank in (0, 1)]
    assert [*halves[0], *halves[1]] == one.of_batch(1)
