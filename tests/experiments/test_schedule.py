"""Which arms run when.

1. An arm begins once its start is done; never more than asked for at a time; a start that nobody makes is refused.
2. What is done is not run again: a second call runs only what the first left out.
3. After an arm that fails no other begins, and the failure is raised; what had ended stays.
4. The time left is the work left at the pace seen so far, worked by hand.
5. A fit that was interrupted leaves its folder aside and begins again; a command that fails says where to look.
6. A study that is told to end, by SIGTERM or by Ctrl-C, ends the commands that run, and starts no other; in the
   background of a shell, which lets it ignore SIGINT, by SIGTERM alone. Where a command of one that was killed still
   runs, no other begins.
7. A command's CPU time and status are its own.
8. When the time is up nothing begins, what runs is told to end, and what is left is said.
9. A fit that may go on does so from its last checkpoint, and its CPU seconds are those of all parts; one that has no
   checkpoint begins again, with its folder set aside. One that had come to its end when it was told to has its seconds.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console
from typing_extensions import override

from lit_grpo.experiments.arm_run import ArmRun
from lit_grpo.experiments.arms import Arm, ArmFailed, TrainingData
from lit_grpo.experiments.fit_record import FitRecord
from lit_grpo.experiments.processes import TERMINATED, Ended, Processes, require_unused
from lit_grpo.experiments.schedule import Job, run_all, time_left
from lit_grpo.metrics.compute import read_seconds
from lit_grpo.metrics.results import RESULTS_FILE

SFT = Arm("sft", (), None, TrainingData.DEMONSTRATIONS, expected_cpu_s=60)
ONE, TWO, THREE = (
    Arm(name, (), "sft", TrainingData.FRESH_TASKS, expected_cpu_s=100) for name in ("one", "two", "three")
)


@dataclass(frozen=True, slots=True)
class ScriptedRun(ArmRun):
    """Takes no time to speak of; keeps what ran and how many at once."""

    events: list[str] = field(default_factory=list)
    failing: frozenset[str] = frozenset()
    meeting: Mapping[str, threading.Barrier] = field(default_factory=dict)
    """Arms that end only once both have begun."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @override
    def run(self, arm: Arm, processes: Processes) -> None:
        with self.lock:
            self.events.append(f"+{arm.name}")
        if arm.name in self.meeting:
            self.meeting[arm.name].wait(60)
        if arm.name in self.failing:
            raise ArmFailed(f"{arm.name} failed")
        self.folder(arm.name).mkdir(parents=True, exist_ok=True)
        (self.folder(arm.name) / RESULTS_FILE).write_text("{}")
        with self.lock:
            self.events.append(f"-{arm.name}")


def scripted(root: Path, *failing: str) -> ScriptedRun:
    return ScriptedRun(root, Path("base"), Path("test"), seed=0, threads=1, failing=frozenset(failing))


def jobs(run: ArmRun, *arms: Arm) -> list[Job]:
    return [Job(run, arm) for arm in arms]


def quiet() -> Console:
    return Console(file=io.StringIO())


def most_at_once(events: list[str]) -> int:
    running = [0]
    for event in events:
        running.append(running[-1] + (1 if event[0] == "+" else -1))
    return max(running)


@pytest.mark.parametrize("at_once", [1, 2])
def test_1_starts_first_and_not_too_many(tmp_path: Path, at_once: int) -> None:
    run = scripted(tmp_path)
    if at_once == 2:
        run = replace(run, meeting=dict.fromkeys(("three", "one"), threading.Barrier(2)))
    run_all(jobs(run, THREE, ONE, SFT, TWO), at_once, quiet())
    assert run.events[:2] == ["+sft", "-sft"]
    assert sorted(run.events[2:]) == ["+one", "+three", "+two", "-one", "-three", "-two"]
    assert most_at_once(run.events) == at_once


def test_1_a_start_that_nobody_makes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected the arm 'sft', which it starts from, got none"):
        run_all(jobs(scripted(tmp_path), ONE), 1, quiet())


def test_2_what_is_done_stays_done(tmp_path: Path) -> None:
    run_all(jobs(scripted(tmp_path), SFT, ONE), 1, quiet())
    again = scripted(tmp_path)
    run_all(jobs(again, SFT, ONE, TWO), 1, quiet())
    assert again.events == ["+two", "-two"]


def test_3_a_failure_ends_it(tmp_path: Path) -> None:
    run = scripted(tmp_path, "one")
    with pytest.raises(ArmFailed, match="one failed"):
        run_all(jobs(run, SFT, ONE, TWO), 1, quiet())
    assert run.events == ["+sft", "-sft", "+one"]
    assert run.is_done("sft")


def test_4_time_left() -> None:
    run = scripted(Path("nowhere"))
    to_begin, (running,) = jobs(run, ONE), jobs(run, SFT)
    # Twice as long as expected: 2 x 100 to begin, 2 x 60 - 50 to end.
    assert time_left(to_begin, [(running, 50.0)], pace=2.0, num_jobs=1) == 270.0
    assert time_left(to_begin, [(running, 50.0)], pace=2.0, num_jobs=2) == 135.0
    # One that takes longer than expected is about to end.
    assert time_left([], [(running, 500.0)], pace=1.0, num_jobs=1) == 0.0


def test_4_it_is_said(tmp_path: Path) -> None:
    said = io.StringIO()
    run_all(jobs(scripted(tmp_path), SFT, ONE), 1, Console(file=said, width=400))
    first, *_ = said.getvalue().splitlines()
    assert first.startswith("seed 0: sft begins, about 3 min left, log in ")  # 160 s


def test_5_a_command_that_fails_says_where_to_look(tmp_path: Path) -> None:
    run = ArmRun(tmp_path, Path("base"), Path("test"), seed=0, threads=1)
    broken = Arm("broken", ("quickstart/base",), None, TrainingData.DEMONSTRATIONS, ("--no-such-key=1",))
    run.folder("broken").mkdir(parents=True)
    (run.folder("broken") / "half.txt").write_text("of an earlier call")
    with pytest.raises(ArmFailed, match=r"broken: `lit-grpo fit` ended with 2; see .*log.txt\n.*no-such-key"):
        run.run(broken, Processes())
    (aside,) = tmp_path.glob("arms/broken.interrupted-*")
    assert (aside / "half.txt").is_file()
    assert not run.is_done("broken")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_5_a_fit_that_someone_else_told_to_end_is_not_done(tmp_path: Path, number: int) -> None:
    class Told(Processes):
        @override
        def run(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Ended:
            return Ended(128 + number, cpu_s=1.0, wall_s=2.0)

    run = ArmRun(tmp_path, Path("base"), Path("test"), seed=0, threads=1, goes_on=True, is_tested=False)
    with pytest.raises(ArmFailed, match="sft: someone else told `lit-grpo fit` to end; call again to go on"):
        run.run(SFT, Told())
    assert not run.is_done("sft")
    assert FitRecord.read(run.folder("sft")).cpu_s == 1.0


STUDY = """
import signal, sys

signal.signal(signal.SIGINT, {sigint})
import lit_grpo.experiments.arm_run as arm_run
from lit_grpo.commands.main import main

arm_run.sys.executable = sys.argv[1]  # of every command
main(["quickstart", "--smoke", "--arms", "sft", "--output", sys.argv[2]])
"""


@contextmanager
def study_whose_arm_sleeps(folder: Path, sigint: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A study in a process of its own, and the number of the process of its arm.

    ``sigint`` is what the study does about that signal when it begins. By default that is inherited: it is ignored
    where these tests run in the background of a shell.
    """
    asleep = folder / "asleep"
    asleep.write_text(
        f"#!/bin/sh\necho $$ > {folder / 'pid.part'}\nmv {folder / 'pid.part'} {folder / 'pid'}\nexec sleep 600\n"
    )
    asleep.chmod(0o755)
    command = [sys.executable, "-c", STUDY.format(sigint=sigint), asleep, folder / "study"]
    study = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while not (folder / "pid").is_file():
            assert study.poll() is None
            time.sleep(0.05)
        yield study, int((folder / "pid").read_text())
    finally:
        study.kill()
        study.wait()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, TERMINATED), (signal.SIGINT, -signal.SIGINT)])
def test_6_nothing_outlives_a_study(tmp_path: Path, number: signal.Signals, status: int) -> None:
    with study_whose_arm_sleeps(tmp_path, "signal.default_int_handler") as (study, arm):
        study.send_signal(number)
        assert study.wait(60) == status
        assert not is_running(arm)


def test_6_in_the_background_an_interrupt_is_for_others_and_sigterm_ends_all(tmp_path: Path) -> None:
    """A shell ignores SIGINT on behalf of what it starts in the background: Ctrl-C is meant for the foreground."""
    with study_whose_arm_sleeps(tmp_path, "signal.SIG_IGN") as (study, arm):
        study.send_signal(signal.SIGINT)
        study.send_signal(signal.SIGTERM)
        assert study.wait(60) == TERMINATED
        assert not is_running(arm)


def test_6_none_begins_after_the_end(tmp_path: Path) -> None:
    processes = Processes()
    processes.end_all()
    with pytest.raises(InterruptedError):
        processes.run(["true"], tmp_path / "log", {})


def test_6_a_command_that_outlives_a_killed_study_keeps_its_folder(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run = f"Processes().run(['sh', '-c', 'echo $$; exec sleep 60'], Path({str(log)!r}), {{}})"
    code = f"from pathlib import Path; from lit_grpo.experiments.processes import Processes; {run}"
    study = subprocess.Popen([sys.executable, "-c", code])
    while not (log.is_file() and log.read_text().strip()):
        assert study.poll() is None
        time.sleep(0.05)
    study.kill()
    study.wait()
    for begin in (lambda: Processes().run(["true"], log, {}), lambda: require_unused(log)):
        with pytest.raises(
            ArmFailed, match="log: expected a folder in which nothing runs, got a command that still wri"
        ):
            begin()
    os.kill(int(log.read_text()), signal.SIGKILL)
    while True:
        try:
            require_unused(log)
            break
        except ArmFailed:
            time.sleep(0.05)
    assert Processes().run(["true"], log, {}).status == 0


def test_7_what_a_command_took(tmp_path: Path) -> None:
    burn = "import os; [sum(range(1000)) for _ in range(20000)]; print(os.times().user, flush=True); os._exit(3)"
    ended = Processes().run([sys.executable, "-c", burn], tmp_path / "log", os.environ)
    said = float((tmp_path / "log").read_text())
    assert ended.status == 3
    assert said <= ended.cpu_s < said + 1.0


def test_8_when_the_time_is_up(tmp_path: Path) -> None:
    run = scripted(tmp_path)
    left = run_all(jobs(run, SFT, ONE), 1, quiet(), until=time.monotonic())
    assert [job.arm.name for job in left] == ["sft", "one"]
    assert run.events == []
    assert run_all(jobs(run, SFT, ONE), 1, quiet(), until=time.monotonic() + 60) == []


FIT = """#!/bin/sh
# Stands for `lit-grpo`: a fit in two parts, the first of which ends only when it is told to.
for word; do
  case $word in
    --trainer.default_root_dir=*) folder=${word#*=};;
    --ckpt_path=last) goes_on=1;;
  esac
done
if [ -n "$goes_on" ]; then echo went on >> "$folder/parts"; sleep 0.2; exit 0; fi
trap 'exit 143' TERM
if [ -e "$folder/../../at_its_end" ]; then
  trap '' TERM
  mkdir "$folder/policy"
  sleep 2
  exit 0
fi
[ -e "$folder/../../no_checkpoint" ] || mkdir "$folder/checkpoints"
[ -e "$folder/../../no_checkpoint" ] || touch "$folder/checkpoints/last.ckpt"
echo began >> "$folder/parts"
while true; do sleep 0.05; done
"""


@pytest.fixture
def going_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArmRun:
    """Its commands are the script."""
    program = tmp_path / "program"
    program.write_text(FIT)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return ArmRun(tmp_path / "seed", Path("base"), Path("test"), seed=0, threads=1, goes_on=True, is_tested=False)


def end_once_begun(run: ArmRun) -> list[str]:
    """Names of the jobs left."""
    left = run_all(jobs(run, SFT), 1, quiet(), until=time.monotonic() + 1.0)
    assert (run.folder("sft") / "parts").read_text() == "began\n"
    return [job.arm.name for job in left]


def test_9_a_fit_goes_on(going_on: ArmRun) -> None:
    assert end_once_begun(going_on) == ["sft"]
    record = FitRecord.read(going_on.folder("sft"))
    assert (record.is_done, record.parts_begun, record.parts_ended) == (False, 1, 1)
    assert not going_on.is_done("sft")

    assert run_all(jobs(going_on, SFT), 1, quiet()) == []
    assert (going_on.folder("sft") / "parts").read_text() == "began\nwent on\n"
    whole = FitRecord.read(going_on.folder("sft"))
    assert whole.is_done
    assert whole.is_whole
    assert whole.parts_begun == 2
    assert whole.wall_s > record.wall_s > 0.9
    assert read_seconds(going_on.folder("sft"), "fit_wall_s") == whole.wall_s
    assert going_on.is_done("sft")


def test_9_one_that_came_to_its_end_all_the_same_is_done(going_on: ArmRun) -> None:
    going_on.root.mkdir()
    (going_on.root / "at_its_end").touch()
    assert run_all(jobs(going_on, SFT), 1, quiet(), until=time.monotonic() + 1.0) == []
    assert going_on.is_done("sft")
    assert read_seconds(going_on.folder("sft"), "fit_wall_s") > 1.9


def test_9_without_a_checkpoint_it_begins_again(going_on: ArmRun) -> None:
    going_on.root.mkdir()
    (going_on.root / "no_checkpoint").touch()
    assert end_once_begun(going_on) == ["sft"]
    assert end_once_begun(going_on) == ["sft"]
    (aside,) = going_on.root.glob("arms/sft.interrupted-*")
    assert (aside / "parts").is_file()
    assert FitRecord.read(going_on.folder("sft")).parts_begun == 1


def test_9_a_part_that_was_killed_is_known(tmp_path: Path) -> None:
    FitRecord().begin().write(tmp_path)
    killed = FitRecord.read(tmp_path)
    assert not killed.is_whole
    assert not killed.begin().end(Ended(0, 5.0, 6.0), is_done=True).is_whole
    (tmp_path / "fit.json").write_text('{"seconds": 1}')
    with pytest.raises(ValueError, match="expected the record of a fit, got"):
        FitRecord.read(tmp_path)
