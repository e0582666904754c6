"""An arm of a comparison, and running it: a fit, then a test, each one `lit-grpo` command.

Called by quickstart.py and ablations.py, which name the arms; schedule.py says which runs when. An arm is a list of
configs and the arm it starts from; nothing here trains anything itself.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lit_grpo.experiments.commands import Commands
from lit_grpo.metrics.results import RESULTS_FILE
from lit_grpo.presets import CONFIGS
from lit_grpo.reports.runs import COMPUTE_FILE

LOG_FILE = "log.txt"
POLICY_FOLDER = "policy"


class TrainingData(Enum):
    """What an arm learns from, as the seeds of its data: demonstrations are never among the fresh tasks."""

    DEMONSTRATIONS = "demonstrations"
    """Those that all arms of a seed share."""
    FRESH_DEMONSTRATIONS = "fresh demonstrations"
    FRESH_TASKS = "fresh tasks"
    FRESH_TASKS_AND_REPLAY = "fresh tasks and replay"
    """Of the shared demonstrations."""

    def arguments(self, seed: int, tokenizer: Path) -> list[str]:
        """Of a `lit-grpo` command."""
        demonstrated, fresh = 2 * seed, 2 * seed + 1
        match self:
            case TrainingData.DEMONSTRATIONS:
                return [f"--data.seed={demonstrated}", f"--data.tokenizer={tokenizer}"]
            case TrainingData.FRESH_DEMONSTRATIONS:
                return [f"--data.seed={fresh}", f"--data.tokenizer={tokenizer}"]
            case TrainingData.FRESH_TASKS:
                return [f"--data.seed={fresh}"]
            case TrainingData.FRESH_TASKS_AND_REPLAY:
                replay = [f"--data.replay.seed={demonstrated}", f"--data.replay.tokenizer={tokenizer}"]
                return [f"--data.seed={fresh}", *replay]


@dataclass(frozen=True, slots=True)
class Arm:
    """One policy of a comparison."""

    name: str
    configs: tuple[str, ...]
    """Below configs/, without ``.yaml``, each overriding those before it."""
    start: str | None
    """The arm whose policy it goes on from; None: the pre-trained base."""
    data: TrainingData
    arguments: tuple[str, ...] = ()
    """Of both commands, after the configs."""
    expected_cpu_s: float = 300.0
    """On one core as fast as the one it was measured on: for the time left alone."""


class ArmFailed(RuntimeError):
    """A command of an arm ended with an error: says where its output is, and its last lines."""


@dataclass(frozen=True, slots=True)
class ArmRun:
    """Where and how the arms of a seed are run."""

    root: Path
    """Of the seed: holds ``arms/NAME``."""
    base: Path
    """Directory of the pre-trained base."""
    benchmark: Path
    """The held-out test tasks, a file or a folder of files, the same for all arms."""
    seed: int
    """Of everything that is drawn: demonstrations, fresh tasks, episodes. The held-out tasks are the same for all."""
    threads: int
    """Of the process."""
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

    def run(self, arm: Arm, commands: Commands) -> None:
        """Train and test, each a command of its own; ArmFailed if one of them fails.

        A fit that was interrupted begins again from where the arm starts, so that what is compared never depends on
        where a run was stopped.
        """
        folder = self.folder(arm.name)
        if folder.exists():
            folder.rename(folder.with_name(f"{folder.name}.interrupted-{time.strftime('%Y%m%d-%H%M%S')}"))
        folder.mkdir(parents=True)
        data = arm.data.arguments(self.seed, self.base)
        common = [f"--trainer.default_root_dir={folder}", f"--seed_everything={self.seed}", *data]
        fit = self._command(commands, "fit", arm, [f"--model.policy.checkpoint={self.start_of(arm)}", *common])
        test = [
            f"--model.policy.checkpoint={folder / POLICY_FOLDER}",
            f"--data.held_out.benchmark={self.benchmark}",
            "--trainer.logger=false",
        ]
        tested = self._command(commands, "test", arm, [*test, *common])
        compute = {"fit_cpu_s": fit[0], "fit_wall_s": fit[1], "test_cpu_s": tested[0], "test_wall_s": tested[1]}
        (folder / COMPUTE_FILE).write_text(json.dumps(compute) + "\n", encoding="utf-8")

    def _command(self, commands: Commands, subcommand: str, arm: Arm, arguments: Sequence[str]) -> tuple[float, float]:
        """Run `lit-grpo`; returns its CPU and wall seconds."""
        configs = [f"--config={CONFIGS / name}.yaml" for name in arm.configs]
        last = [] if self.extra_config is None else [f"--config={self.extra_config}"]
        settings = [*configs, *arm.arguments, *last, *arguments, *self.arguments]
        log, started = self.folder(arm.name) / LOG_FILE, time.monotonic()
        ended = commands.run([sys.executable, "-m", "lit_grpo.cli", subcommand, *settings], log, self._environment())
        if ended.status != 0:
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
            raise ArmFailed(f"{arm.name}: `lit-grpo {subcommand}` ended with {ended.status}; see {log}\n{tail}")
        return round(ended.cpu_s, 1), round(time.monotonic() - started, 1)

    def _environment(self) -> Mapping[str, str]:
        # One thread more than a process may use makes both slower, and sums in another order change the last digit.
        return {**os.environ, "OMP_NUM_THREADS": str(self.threads), "TOKENIZERS_PARALLELISM": "false"}
