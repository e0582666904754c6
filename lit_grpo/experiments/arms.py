"""The arms of the quickstart's comparison, and running one: a fit, then a test, each one `lit-grpo` command.

Called by quickstart.py. An arm is a list of configs and the arm it starts from; nothing here trains anything itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIGS = Path(__file__).parents[2] / "configs" / "quickstart"
BASE = Path(__file__).parents[2] / "checkpoints" / "tiny-base"
"""The pre-trained base that comes with the project."""
COMPUTE_FILE = "compute.json"
LOG_FILE = "log.txt"


@dataclass(frozen=True, slots=True)
class Arm:
    """One policy of the comparison."""

    name: str
    configs: tuple[str, ...]
    """Of configs/quickstart, each overriding those before it."""
    start: str | None
    """The arm whose policy it goes on from; None: the pre-trained base."""


ARMS = {
    arm.name: arm
    for arm in (
        Arm("sft", ("base", "sft"), None),
        Arm("sft_compute_matched", ("base", "sft", "sft_compute_matched"), "sft"),
        Arm("sft_grpo", ("base", "grpo"), "sft"),
        Arm("sft_grpo_plain", ("base", "grpo", "grpo_plain"), "sft"),
        Arm("sft_fresh", ("base", "sft", "sft_fresh"), "sft"),
    )
}


class ArmFailed(RuntimeError):
    """A command of an arm ended with an error: says where its output is, and its last lines."""


@dataclass(frozen=True, slots=True)
class ArmRun:
    """Where and how an arm is run."""

    root: Path
    """Of the seed: holds ``arms/NAME``."""
    base: Path
    """Directory of the pre-trained base."""
    benchmark: Path
    """The held-out test tasks, the same for all arms."""
    seed: int
    """Of everything that is drawn: demonstrations, fresh tasks, episodes. The held-out tasks are the same for all."""
    threads: int
    """Of the process."""
    extra_config: Path | None = None
    """Overrides every arm's configs; the smoke run's sizes."""

    def folder(self, arm: Arm) -> Path:
        """The arm's run folder."""
        return self.root / "arms" / arm.name

    def is_done(self, arm: Arm) -> bool:
        """Whether the arm has been trained and tested."""
        return (self.folder(arm) / "results.json").is_file()

    def run(self, arm: Arm) -> None:
        """Train and test, each in a process of its own; ArmFailed if one of them fails.

        A fit that was interrupted begins again from where the arm starts, so that what is compared never depends on
        where a run was stopped.
        """
        folder = self.folder(arm)
        if folder.exists():
            folder.rename(folder.with_name(f"{folder.name}.interrupted-{time.strftime('%Y%m%d-%H%M%S')}"))
        folder.mkdir(parents=True)
        start = self.base if arm.start is None else self.folder(ARMS[arm.start]) / "policy"
        common = [f"--trainer.default_root_dir={folder}", f"--seed_everything={self.seed}", *self._data(arm)]
        seconds = self._command("fit", arm, [f"--model.policy.checkpoint={start}", *common])
        test = [
            f"--model.policy.checkpoint={folder / 'policy'}",
            f"--data.held_out.benchmark={self.benchmark}",
            "--trainer.logger=false",
        ]
        self._command("test", arm, [*test, *common])
        (folder / COMPUTE_FILE).write_text(json.dumps({"fit_cpu_s": round(seconds, 1)}) + "\n", encoding="utf-8")

    def _data(self, arm: Arm) -> list[str]:
        """Seeds and tokenizer: demonstrations are those of `sft` in every arm, fresh tasks are never among them."""
        demonstrated, fresh = 2 * self.seed, 2 * self.seed + 1
        if "grpo_plain" in arm.configs:
            return [f"--data.seed={fresh}"]
        if "grpo" in arm.configs:
            return [
                f"--data.seed={fresh}",
                f"--data.replay.seed={demonstrated}",
                f"--data.replay.tokenizer={self.base}",
            ]
        seed = fresh if "sft_fresh" in arm.configs else demonstrated
        return [f"--data.seed={seed}", f"--data.tokenizer={self.base}"]

    def _command(self, subcommand: str, arm: Arm, arguments: Sequence[str]) -> float:
        """Run `lit-grpo`; returns its CPU seconds."""
        configs = [CONFIGS / f"{name}.yaml" for name in arm.configs]
        configs += [] if self.extra_config is None else [self.extra_config]
        command = [sys.executable, "-m", "lit_grpo.cli", subcommand, *(f"--config={path}" for path in configs)]
        log = self.folder(arm) / LOG_FILE
        with log.open("ab") as output:
            process = subprocess.Popen([*command, *arguments], stdout=output, stderr=output, env=self._environment())
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
            raise ArmFailed(f"{arm.name}: `lit-grpo {subcommand}` ended with {process.returncode}; see {log}\n{tail}")
        return usage.ru_utime + usage.ru_stime

    def _environment(self) -> Mapping[str, str]:
        # One thread more than a process may use makes both slower, and sums in another order change the last digit.
        return {**os.environ, "OMP_NUM_THREADS": str(self.threads), "TOKENIZERS_PARALLELISM": "false"}
