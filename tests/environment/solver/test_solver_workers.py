"""Solver workers, broken on purpose. Real processes, real signals, real limits; `broken_worker.py` breaks on command.

1. Answers are those of HighsSolver, to the last digit, on tasks of every kind; so are errors.
2. A worker killed in the middle of a question is replaced, and the question is answered by the next one. If that dies,
   too, it is a SolverFailure that says what happened; what is asked afterwards is answered.
3. A worker that is stopped (SIGSTOP) is killed at the deadline; so is one that works for ever.
4. A worker that allocates beyond its limit ends, and the machine's memory is left alone.
5. What overruns twice is an intractable program: with HiGHS itself, in time and in memory.
6. A solver that failed is not asked again; what a library prints is no answer.
7. Threads ask at once, with no more workers than allowed; none is started before a question, one for a single caller.
8. An interrupted question leaves no answer behind for the next one.
9. No zombie and no process is left after `close`, or when the solver is forgotten.
10. A parent that is killed takes its workers along, also one in the middle of a question.
11. A worker has no torch, none of the parent's descriptors, one thread for numerics, and does not see Ctrl-C.
12. A worker that cannot start is a failure within bounded time; settings without a meaning are refused.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from broken_worker import Trouble
from desk_problem import FAULTY, ORIGINAL
from intractable_program import INTRACTABLE
from random_programs import random_program

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.edits import SetRhs, apply
from lit_grpo.environment.programs.program import Constraint, LinearProgram, ProgramError, Sense
from lit_grpo.environment.solver import worker_process
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import ProgramIntractable, SolverFailure, SolverStatus
from lit_grpo.environment.solver.workers import SolverSettings, WorkerSolver, make_solver

HIGHS = HighsSolver()
BROKEN = (sys.executable, str(Path(__file__).with_name("broken_worker.py")))
SHORT_S, LONG_S = 0.3, 60.0


def troubled(trouble: Trouble) -> LinearProgram:
    return apply(ORIGINAL, SetRhs("wood", trouble.value))


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def is_there(pid: int) -> bool:
    """Running, stopped, or a zombie."""
    return Path(f"/proc/{pid}").exists()


def runs(pid: int) -> bool:
    """There, and no zombie: an orphan's parent is whoever collects orphans on this machine, in its own time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerSolver]:
    solver = WorkerSolver(SolverSettings())
    yield solver
    solver.close()


@pytest.fixture
def broken() -> Iterator[Callable[..., WorkerSolver]]:
    made: list[WorkerSolver] = []

    def make(
        deadline_s: float = LONG_S, memory_mb: int = 256, marker: Path | None = None, num: int = 1
    ) -> WorkerSolver:
        command = (*BROKEN, *([str(marker)] if marker else []))
        made.append(WorkerSolver(SolverSettings(num, deadline_s, memory_mb), command))
        return made[-1]

    yield make
    for solver in made:
        solver.close()


def assert_same_answers(program: LinearProgram, workers: WorkerSolver) -> None:
    assert repr(workers.solve(program)) == repr(HIGHS.solve(program))
    assert repr(workers.minimum_relaxation(program)) == repr(HIGHS.minimum_relaxation(program))
    if HIGHS.solve(program).status is SolverStatus.INFEASIBLE:
        assert repr(workers.conflict(program)) == repr(HIGHS.conflict(program))


@pytest.mark.parametrize("kind", list(FaultKind))
def test_1_answers_on_generated_tasks(kind: FaultKind, workers: WorkerSolver) -> None:
    settings = TaskSettings(size=ProgramSize.SMALL, kinds={kind: 1.0})
    for index in range(4):
        fault = generate_task(settings, Split.TEST, 7, index, HIGHS).fault
        for program in (fault.faulty, fault.original):
            assert_same_answers(program, workers)


def test_1_answers_on_random_programs(workers: WorkerSolver) -> None:
    rng = Random(3)
    for share in (0.0, 0.4):
        for _ in range(20):
            assert_same_answers(random_program(rng, 8, 8, share), workers)


def test_1_errors(workers: WorkerSolver) -> None:
    nan = replace(ORIGINAL, constraints=(Constraint("r", (("x", float("nan")),), Sense.EQUAL, 1.0),))
    for question in ("solve", "conflict", "minimum_relaxation"):
        with pytest.raises(ProgramError) as in_process:
            getattr(HIGHS, question)(nan)
        with pytest.raises(ProgramError) as in_worker:
            getattr(workers, question)(nan)
        assert str(in_worker.value) == str(in_process.value)
    with pytest.raises(ValueError, match="expected an infeasible program, got an optimal one") as refused:
        workers.conflict(ORIGINAL)
    assert refused.type is ValueError


def test_2_a_worker_killed_in_mid_call_is_replaced(broken: Callable[..., WorkerSolver], tmp_path: Path) -> None:
    solver = broken(marker=tmp_path / "hung")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(solver.solve, troubled(Trouble.HANGS))
        assert eventually((tmp_path / "hung").exists)
        (victim,) = solver.worker_pids
        os.kill(victim, signal.SIGKILL)
        assert answer.result(30) == HIGHS.solve(troubled(Trouble.HANGS))
    assert not is_there(victim)
    assert len(solver.worker_pids) == 1


def test_2_a_worker_that_dies_twice_is_a_failure(broken: Callable[..., WorkerSolver]) -> None:
    solver = broken()
    assert solver.solve(ORIGINAL) == HIGHS.solve(ORIGINAL)
    with pytest.raises(SolverFailure, match="SIGKILL, then it was ended by SIGKILL") as failure:
        solver.solve(troubled(Trouble.DIES))
    assert failure.type is SolverFailure
    assert solver.worker_pids == ()
    assert solver.solve(ORIGINAL) == HIGHS.solve(ORIGINAL)


def test_2_a_worker_killed_between_questions_costs_no_try(broken: Callable[..., WorkerSolver], tmp_path: Path) -> None:
    solver = broken(marker=tmp_path / "died")
    solver.solve(ORIGINAL)
    (victim,) = solver.worker_pids
    os.kill(victim, signal.SIGKILL)
    assert eventually(lambda: victim not in solver.worker_pids)
    assert solver.solve(troubled(Trouble.DIES)) == HIGHS.solve(troubled(Trouble.DIES))


@pytest.mark.parametrize("trouble", [Trouble.STOPS, Trouble.HANGS])
def test_3_a_worker_that_hangs_is_replaced(
    trouble: Trouble, broken: Callable[..., WorkerSolver], tmp_path: Path
) -> None:
    solver = broken(SHORT_S, marker=tmp_path / "hung")
    solver.solve(ORIGINAL)
    (victim,) = solver.worker_pids
    assert solver.solve(troubled(trouble)) == HIGHS.solve(troubled(trouble))
    assert not is_there(victim)


def test_3_a_stopped_worker_cannot_block_a_long_question(broken: Callable[..., WorkerSolver]) -> None:
    # 400 KB are several times what a pipe holds, and a stopped process reads none of them.
    solver = broken(2.0)
    solver.solve(ORIGINAL)
    os.kill(solver.worker_pids[0], signal.SIGSTOP)
    long = replace(ORIGINAL, objective=ORIGINAL.objective * 20_000)
    assert solver.solve(long) == HIGHS.solve(long)


def test_4_memory_has_a_limit(broken: Callable[..., WorkerSolver]) -> None:
    solver = broken(memory_mb=64)
    assert solver.solve(ORIGINAL) == HIGHS.solve(ORIGINAL)
    with pytest.raises(ProgramIntractable, match="it ran out of memory, then it ran out of memory"):
        solver.solve(troubled(Trouble.ALLOCATES))
    assert solver.solve(ORIGINAL) == HIGHS.solve(ORIGINAL)


@pytest.mark.parametrize(("settings", "reason"), [((SHORT_S, 2048), "within 0.3 s"), ((LONG_S, 2), "out of memory")])
def test_5_highs_itself_overruns(settings: tuple[float, int], reason: str) -> None:
    solver = WorkerSolver(SolverSettings(1, *settings))
    assert solver.solve(ORIGINAL) == HIGHS.solve(ORIGINAL)
    with pytest.raises(ProgramIntractable, match=reason):
        solver.solve(INTRACTABLE)
    solver.close()


def test_6_a_solver_that_failed_is_not_asked_again(broken: Callable[..., WorkerSolver]) -> None:
    solver = broken()
    solver.solve(ORIGINAL)
    (first,) = solver.worker_pids
    with pytest.raises(SolverFailure, match=r"^license expired$"):
        solver.conflict(troubled(Trouble.FAILS))
    assert eventually(lambda: first not in solver.worker_pids)
    assert solver.solve(ORIGINAL) == HIGHS.solve(ORIGINAL)


def test_6_what_is_printed_is_no_answer(broken: Callable[..., WorkerSolver]) -> None:
    with pytest.raises(SolverFailure, match="exited with status 3, then it exited with status 3"):
        broken().solve(troubled(Trouble.EXITS))


def test_7_threads() -> None:
    rng = Random(5)
    programs = [random_program(rng, 6, 6, 0.3) for _ in range(60)]
    solver = WorkerSolver(SolverSettings(workers=3))
    assert solver.worker_pids == ()
    assert solver.solve(programs[0]) == HIGHS.solve(programs[0])
    assert solver.solve(programs[1]) == HIGHS.solve(programs[1])
    assert len(solver.worker_pids) == 1
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(solver.solve, programs))
    assert answers == [HIGHS.solve(program) for program in programs]
    assert 1 < len(solver.worker_pids) <= 3
    solver.close()


def test_8_an_interrupted_question_leaves_no_answer_behind(broken: Callable[..., WorkerSolver], tmp_path: Path) -> None:
    solver = broken(marker=tmp_path / "hung")
    solver.solve(ORIGINAL)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(KeyboardInterrupt):
        solver.solve(troubled(Trouble.HANGS))
    signal.signal(signal.SIGALRM, before)
    assert solver.worker_pids == ()
    assert solver.solve(FAULTY) == HIGHS.solve(FAULTY)


def test_9_nothing_is_left() -> None:
    for end in ("close", "forget"):
        solver = WorkerSolver(SolverSettings(workers=2))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(solver.solve, [FAULTY] * 4))
        pids = solver.worker_pids
        assert pids
        if end == "close":
            solver.close()
            assert solver.solve(ORIGINAL) == HIGHS.solve(ORIGINAL), "a closed one starts again"
            pids += solver.worker_pids
        del solver
        gc.collect()
        assert not [pid for pid in pids if is_there(pid)]


PARENT = """
import sys, threading, time
sys.path[:0] = {path!r}
from broken_worker import Trouble
from desk_problem import ORIGINAL
from lit_grpo.environment.programs.edits import SetRhs, apply
from lit_grpo.environment.solver.workers import SolverSettings, WorkerSolver

solver = WorkerSolver(SolverSettings(), (sys.executable, {worker!r}))
solver.solve(ORIGINAL)
if {in_mid_call}:
    threading.Thread(target=solver.solve, args=(apply(ORIGINAL, SetRhs("wood", Trouble.HANGS.value)),)).start()
    time.sleep(0.3)
print(*solver.worker_pids, flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("in_mid_call", [False, True])
def test_10_a_killed_parent_takes_its_workers_along(in_mid_call: bool) -> None:
    code = PARENT.format(
        path=[str(Path(__file__).parent), str(Path(__file__).parents[2] / "worked")],
        worker=BROKEN[1],
        in_mid_call=in_mid_call,
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        (worker,) = map(int, parent.stdout.readline().split())
        assert runs(worker)
        parent.kill()
        parent.wait()
        assert eventually(lambda: not runs(worker), 5.0)


def test_11_the_world_of_a_worker() -> None:
    mine, other = os.pipe()
    os.set_inheritable(other, True)
    solver = WorkerSolver(SolverSettings())
    solver.solve(ORIGINAL)
    (pid,) = solver.worker_pids
    links = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    assert os.readlink(f"/proc/self/fd/{other}") not in links
    maps = Path(f"/proc/{pid}/maps").read_text()
    assert "highs" in maps
    assert "torch" not in maps
    assert "libcuda" not in maps
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert {b"CUDA_VISIBLE_DEVICES=", b"OMP_NUM_THREADS=1"} <= set(environment)
    assert os.getpgid(pid) != os.getpgid(0), "Ctrl-C goes to the parent's group"
    solver.close()
    os.close(mine)
    os.close(other)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("false",), "did not start: it exited with status 1"),
        (("no-such-command",), "could not be started"),
        (("echo", "hello"), "did not start: it began with b'hello 2048"),
        ((sys.executable, "-c", "import time; time.sleep(60)"), "did not start: it gave no answer within 0.3 s"),
    ],
)
def test_12_a_worker_that_cannot_start(command: tuple[str, ...], reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "START_DEADLINE_S", SHORT_S)
    solver = WorkerSolver(SolverSettings(), command)
    started = time.monotonic()
    with pytest.raises(SolverFailure, match=f"{reason}.*, then it {reason}") as failure:
        solver.solve(ORIGINAL)
    assert failure.type is SolverFailure, "no program is to blame"
    assert time.monotonic() - started < 10
    assert solver.worker_pids == ()


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"workers": -1}, "solver.workers"), ({"deadline_s": 0.0}, "solver.deadline_s"), ({"memory_mb": 0}, "memory_mb")],
)
def test_12_settings_without_a_meaning(settings: dict[str, float], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        SolverSettings(**settings)  # pyright: ignore[reportArgumentType]


def test_12_no_workers_is_this_process() -> None:
    assert isinstance(make_solver(SolverSettings(workers=0)), HighsSolver)
    assert isinstance(make_solver(SolverSettings()), WorkerSolver)
    with pytest.raises(ValueError, match="expected at least 1, got 0"):
        WorkerSolver(SolverSettings(workers=0))
