"""Which arms run when: several at a time, each once the arm it starts from is done, those that are done not again.

Called by quickstart.py, ablations.py, real_size.py and engine_comparison.py. Says what begins, what ended, and how long
the rest may take.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from rich.console import Console

from lit_grpo.experiments.arm_run import ArmRun
from lit_grpo.experiments.arms import Arm
from lit_grpo.experiments.processes import Processes, ending_with_this_process


@dataclass(frozen=True, slots=True)
class Job:
    """One arm of one seed."""

    run: ArmRun
    arm: Arm

    @property
    def name(self) -> str:
        """The name that it has in the progress."""
        return f"seed {self.run.seed}: {self.arm.name}"

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.run.is_done(self.arm.name)

    @property
    def is_ready(self) -> bool:
        """Whether the policy that it starts from is there."""
        return self.arm.start is None or self.run.is_done(self.arm.start)


@dataclass(slots=True)
class _Running:
    job: Job
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


@dataclass(slots=True)
class _Pace:
    """How long arms take here, against what was expected of them."""

    expected_s: float = 0.0
    taken_s: float = 0.0

    def note(self, expected_s: float, taken_s: float) -> None:
        self.expected_s, self.taken_s = self.expected_s + expected_s, self.taken_s + taken_s

    @property
    def ratio(self) -> float:
        return self.taken_s / self.expected_s if self.expected_s else 1.0


def run_all(
    jobs: Iterable[Job],
    num_jobs: int,
    console: Console,
    until: float = math.inf,
    on_done: Callable[[Job], None] | None = None,
) -> list[Job]:
    """Run what has not been run, ``num_jobs`` at a time; for the main thread.

    Told to end (Ctrl-C, SIGTERM), it ends the arms that run: they begin again, or go on, in the next call.

    Args:
        jobs: In the order in which they begin.
        num_jobs: At a time.
        console: Where it is said what begins and ends.
        until: The moment, by time.monotonic(), after which none begins and those that run are ended.
        on_done: Called with each that has just been run to its end.

    Returns:
        Those that are not done since the time was up.

    Raises:
        ArmFailed: The ArmFailed of the first arm that fails; those that are running then are finished, no other begins.
        ValueError: An arm starts from one that is neither done nor among the jobs.
    """
    missing = [job for job in jobs if not job.is_done]
    _require_starts(missing)
    running: dict[Future[None], _Running] = {}
    left: list[Job] = []
    pace, processes = _Pace(), Processes()
    with ThreadPoolExecutor(num_jobs) as pool, ending_with_this_process(processes):
        while running or (missing and time.monotonic() < until):
            ready = [job for job in missing if job.is_ready] if time.monotonic() < until else []
            for job in ready[: num_jobs - len(running)]:
                seconds = time_left(missing, [(r.job, r.seconds) for r in running.values()], pace.ratio, num_jobs)
                folder = job.run.folder(job.arm.name)
                console.print(f"{job.name} begins, about {seconds / 60:.0f} min left, log in {folder}", soft_wrap=True)
                running[pool.submit(job.run.run, job.arm, processes)] = _Running(job)
                missing.remove(job)
            for future in _first_to_end(running, until, processes):
                ended = running.pop(future)
                if processes.is_ending and isinstance(future.exception(), InterruptedError):
                    left.append(ended.job)
                    continue
                future.result()
                pace.note(ended.job.arm.expected_cpu_s, ended.seconds)
                console.print(f"{ended.job.name} done in {ended.seconds:.0f} s")
                if on_done is not None:
                    on_done(ended.job)
    return [*left, *missing]


def _first_to_end(running: Collection[Future[None]], until: float, processes: Processes) -> Collection[Future[None]]:
    """Wait for an arm; none if the time is up before that, when all are told to end."""
    is_limited = until < math.inf and not processes.is_ending
    timeout_s = max(0.0, until - time.monotonic()) if is_limited else None
    done = wait(running, timeout_s, return_when=FIRST_COMPLETED).done
    if not done:
        processes.end_all()
    return done


def time_left(missing: Sequence[Job], running: Sequence[tuple[Job, float]], pace: float, num_jobs: int) -> float:
    """Seconds until all is done, if arms go on taking ``pace`` times what was expected of them.

    Example: pace 2; an arm of 100 expected seconds has not begun, one of 60 has run for 50: (200 + 120 - 50) / 1 job.

    Args:
        missing: The arms that have not begun.
        running: Those that run, with the seconds since they began.
        pace: Seconds taken over seconds expected, of the arms that have ended; 1 before any has.
        num_jobs: At a time.
    """
    to_begin = sum(pace * job.arm.expected_cpu_s for job in missing)
    to_end = sum(max(0.0, pace * job.arm.expected_cpu_s - seconds) for job, seconds in running)
    return (to_begin + to_end) / num_jobs


def _require_starts(missing: Sequence[Job]) -> None:
    """An arm whose start nobody makes would be waited for without end."""
    to_come = {(job.run.root, job.arm.name) for job in missing}
    for job in missing:
        if not job.is_ready and (job.run.root, job.arm.start) not in to_come:
            raise ValueError(f"{job.name}: expected the arm {job.arm.start!r}, which it starts from, got none; add it")
