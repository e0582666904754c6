"""Running an arm of a comparison: a fit, then a test, each one `lit-grpo` command in a process of its own.

Called by schedule.py, which says which arm runs when. Nothing here trains anything itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.experiments.arms import Arm, ArmFailed
from lit_grpo.experiments.processes import Processes
from lit_grpo.metrics.compute import COMPUTE_FILE
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

    def folder(self, name: str) -> Path:
        """The run folder of the arm of this name."""
        return self.root / "arms" / name

    def is_done(self, name: str) -> bool:
        """Whether the arm has been trained and tested."""
        return (self.folder(name) / RESULTS_FILE).is_file()

    def start_of(self, arm: Arm) -> Path:
        """The policy that the arm goes on from."""
        return self.base if arm.start is None else self.folder(arm.start) / POLICY_FOLDER

    def run(self, arm: Arm, processes: Processes) -> None:
        """Train and test, each a command of its own; ArmFailed if one of them fails.

        A fit that was interrupted begins again from where the arm starts, so that what is compared never depends on
        where a run was stopped.
        """
        folder = self.folder(arm.name)
        if folder.exists():
            folder.rename(folder.with_name(f"{folder.name}.interrupted-{time.strftime('%Y%m%d-%H%M%S')}"))
        folder.mkdir(parents=True)
        data = arm.data.arguments(self.seed)
        common = [f"--trainer.default_root_dir={folder}", f"--seed_everything={self.seed}", *data]
        fit = self._command(processes, "fit", arm, [f"--model.policy.checkpoint={self.start_of(arm)}", *common])
        test = [
            f"--model.policy.checkpoint={folder / POLICY_FOLDER}",
            f"--data.held_out.benchmark={self.benchmark}",
            "--trainer.logger=false",
        ]
        tested = self._command(processes, "test", arm, [*test, *common])
        compute = {"fit_cpu_s": fit[0], "fit_wall_s": fit[1], "test_cpu_s": tested[0], "test_wall_s": tested[1]}
        (folder / COMPUTE_FILE).write_text(json.dumps(compute) + "\n", encoding="utf-8")

    def _command(
        self, processes: Processes, subcommand: str, arm: Arm, arguments: Sequence[str]
    ) -> tuple[float, float]:
        """Run `lit-grpo`; returns its CPU and wall seconds."""
        configs = [f"--config={CONFIGS / name}.yaml" for name in arm.configs]
        last = [] if self.extra_config is None else [f"--config={self.extra_config}"]
        settings = [*configs, *arm.arguments, *last, *arguments, *self.arguments]
        log, started = self.folder(arm.name) / LOG_FILE, time.monotonic()
        ended = processes.run([sys.executable, "-m", "lit_grpo", subcommand, *settings], log, self._environment())
        if ended.status != 0:
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
            raise ArmFailed(f"{arm.name}: `lit-grpo {subcommand}` ended with {ended.status}; see {log}\n{tail}")
        return round(ended.cpu_s, 1), round(time.monotonic() - started, 1)

    def _environment(self) -> Mapping[str, str]:
        # One thread more than a process may use makes both slower, and sums in another order change the last digit.
        return {**os.environ, "OMP_NUM_THREADS": str(self.threads), "TOKENIZERS_PARALLELISM": "false"}
