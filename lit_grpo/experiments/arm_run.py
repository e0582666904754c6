"""Running an arm of a comparison: a fit, then a test, each one `lit-grpo` command in a process of its own.

Called by schedule.py, which says which arm runs when. Nothing here trains anything itself.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.experiments.arms import Arm, ArmFailed
from lit_grpo.experiments.fit_record import FitRecord
from lit_grpo.experiments.processes import TERMINATED, Ended, Processes, require_unused
from lit_grpo.fitting.run_folder import last_checkpoint
from lit_grpo.metrics.compute import write_seconds
from lit_grpo.metrics.results import RESULTS_FILE
from lit_grpo.presets import CONFIGS

LOG_FILE = "log.txt"
POLICY_FOLDER = "policy"


@dataclass(frozen=True, slots=True)
class ArmRun:
    """Says where and how the arms of a seed are run."""

    root: Path
    """The folder of the seed, which holds ``arms/NAME``."""
    base: Path
    """Directory of the pre-trained base."""
    benchmark: Path
    """The held-out test tasks, a file or a folder of files, the same for all arms."""
    seed: int
    """The seed of everything that is drawn: demonstrations, fresh tasks, episodes. The held-out tasks are the same for
    all.
    """
    threads: int
    """The threads of the process."""
    extra_config: Path | None = None
    """Overrides every arm's configs and arguments; the smoke run's sizes."""
    arguments: tuple[str, ...] = ()
    """Override everything, in every arm: the device."""
    goes_on: bool = False
    """Whether a fit that was interrupted goes on from its last checkpoint, which gives the same policy as one that was
    not; otherwise it begins again."""
    is_tested: bool = True
    """Whether an arm plays the test tasks once it is trained."""

    def folder(self, name: str) -> Path:
        """The run folder of the arm of this name."""
        return self.root / "arms" / name

    def is_done(self, name: str) -> bool:
        """Whether nothing of the arm is left to do."""
        folder = self.folder(name)
        return (folder / RESULTS_FILE).is_file() if self.is_tested else FitRecord.read(folder).is_done

    def start_of(self, arm: Arm) -> Path:
        """The policy that the arm goes on from."""
        return self.base if arm.start is None else self.folder(arm.start) / POLICY_FOLDER

    def run(self, arm: Arm, processes: Processes) -> None:
        """Train and test, each a command of its own.

        Raises:
            ArmFailed: One of them fails, or a command of an earlier study still runs in the arm's folder.
            InterruptedError: All commands were told to end before the arm was done.
        """
        folder = self.folder(arm.name)
        if not (self.goes_on and FitRecord.read(folder).is_done and (folder / POLICY_FOLDER).is_dir()):
            self._fit(arm, processes)
        if self.is_tested:
            self._test(arm, processes)

    def _fit(self, arm: Arm, processes: Processes) -> None:
        """Go on from the last checkpoint, or begin, with what lies in the folder set aside."""
        folder, arguments = self.folder(arm.name), [f"--model.policy.checkpoint={self.start_of(arm)}"]
        require_unused(folder / LOG_FILE)
        if self.goes_on and last_checkpoint(folder).exists():
            arguments.append("--ckpt_path=last")
        elif folder.exists():
            folder.rename(folder.with_name(f"{folder.name}.interrupted-{time.strftime('%Y%m%d-%H%M%S')}"))
        folder.mkdir(parents=True, exist_ok=True)
        before = FitRecord.read(folder)
        record = before.begin()
        record.write(folder)
        try:
            ended = self._command(processes, "fit", arm, arguments)
        except InterruptedError:
            # Told to end before the command was started.
            before.write(folder)
            raise
        # One that is told to end, by whomever, writes a checkpoint and gives another status than 0.
        record = record.end(ended, is_done=ended.status == 0)
        if record.is_done:
            # Before the record: an arm that is done has its seconds, whatever ends the study now.
            write_seconds(folder, {"fit_cpu_s": record.cpu_s, "fit_wall_s": record.wall_s})
        record.write(folder)
        self._require_success("fit", arm, ended, processes)

    def _test(self, arm: Arm, processes: Processes) -> None:
        """Play the test tasks with the policy of the fit."""
        arguments = [
            f"--model.policy.checkpoint={self.folder(arm.name) / POLICY_FOLDER}",
            f"--data.held_out.benchmark={self.benchmark}",
            "--trainer.logger=false",
        ]
        ended = self._command(processes, "test", arm, arguments)
        if ended.status == 0:
            fitted = FitRecord.read(self.folder(arm.name))
            fit = {"fit_cpu_s": fitted.cpu_s, "fit_wall_s": fitted.wall_s}
            test = {"test_cpu_s": round(ended.cpu_s, 1), "test_wall_s": round(ended.wall_s, 1)}
            write_seconds(self.folder(arm.name), fit | test)
        self._require_success("test", arm, ended, processes)

    def _command(self, processes: Processes, subcommand: str, arm: Arm, arguments: Sequence[str]) -> Ended:
        """Run `lit-grpo` with the settings of the arm."""
        folder = self.folder(arm.name)
        configs = [f"--config={CONFIGS / name}.yaml" for name in arm.configs]
        last = [] if self.extra_config is None else [f"--config={self.extra_config}"]
        common = [
            f"--trainer.default_root_dir={folder}",
            f"--seed_everything={self.seed}",
            *arm.data.arguments(self.seed),
        ]
        settings = [*configs, *arm.arguments, *last, *arguments, *common, *self.arguments]
        command = [sys.executable, "-m", "lit_grpo", subcommand, *settings]
        return processes.run(command, folder / LOG_FILE, self._environment())

    def _require_success(self, subcommand: str, arm: Arm, ended: Ended, processes: Processes) -> None:
        """Raise what `run` does."""
        if processes.is_ending and ended.status != 0:
            raise InterruptedError(f"{arm.name}: told to end")
        if ended.status in (128 + signal.SIGINT, TERMINATED):
            then = "go on" if self.goes_on else "begin again"
            raise ArmFailed(f"{arm.name}: someone else told `lit-grpo {subcommand}` to end; call again to {then}")
        if ended.status != 0:
            log = self.folder(arm.name) / LOG_FILE
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
            raise ArmFailed(f"{arm.name}: `lit-grpo {subcommand}` ended with {ended.status}; see {log}\n{tail}")

    def _environment(self) -> Mapping[str, str]:
        # One thread more than a process may use makes both slower, and sums in another order change the last digit.
        return {**os.environ, "OMP_NUM_THREADS": str(self.threads), "TOKENIZERS_PARALLELISM": "false"}
