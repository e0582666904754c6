"""What each level of a specification costs: a small policy per level, tested on wordings it knows and held-out ones.

Run by hand: `python scripts/benchmarks/specification_levels.py` (about 3 minutes of one core per level). Every fit and
test is a `lit-grpo` command in a folder below ``--output``; what is done is not run again. All policies start from
checkpoints/tiny-base, see the same programs and faults in the same order, and are tested on the same held-out tasks:
the texts alone differ. The policy of BESIDE is tested on PROSE as well, as one that has only ever read tied sentences.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.environment.domains.base import Wordings
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.metrics.bootstrap import BootstrapSettings, Estimate
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.results import RESULTS_FILE, summarise
from lit_grpo.presets import CONFIGS
from lit_grpo.reports.runs import read_table

BESIDE, LABELLED, NAMED, PROSE = SpecificationLevel
READERS = ((BESIDE, BESIDE), (PROSE, PROSE), (BESIDE, PROSE), (LABELLED, LABELLED), (NAMED, NAMED))
"""The level that a policy has learned, and the one that it is tested on."""
WORDINGS = (Wordings.TRAINING, Wordings.HELD_OUT)


@dataclass(frozen=True, slots=True)
class Study:
    """Where it goes, and how much of everything."""

    output: Path
    num_batches: int
    num_demonstrations: int
    num_tasks: int
    seed: int

    def train(self, level: SpecificationLevel) -> None:
        """Fine-tune the policy of a level on demonstrations in the training wordings."""
        folder = self.output / level.value
        if (folder / "policy").is_dir():
            return
        words = [
            f"--data.num_demonstrations={self.num_demonstrations}",
            f"--data.batches_per_epoch={self.num_batches}",
            f"--trainer.val_check_interval={self.num_batches}",
            "--trainer.num_sanity_val_steps=0",
            "--data.held_out.num_validation_tasks=16",
            f"--data.tasks.wordings={Wordings.TRAINING.name}",
        ]
        self._run("fit", level, folder, words)

    def test(self, policy: SpecificationLevel, level: SpecificationLevel, wordings: Wordings) -> Path:
        """Play the held-out tasks in a level and wordings; returns the run folder."""
        folder = self.output / f"{policy.value}_reads_{level.value}_{wordings.value}"
        if not (folder / RESULTS_FILE).is_file():
            words = [
                f"--model.policy.checkpoint={self.output / policy.value / 'policy'}",
                f"--data.held_out.num_test_tasks={self.num_tasks}",
                f"--data.tasks.wordings={wordings.name}",
                "--trainer.logger=false",
            ]
            self._run("test", level, folder, words)
        return folder

    def _run(self, command: str, level: SpecificationLevel, folder: Path, words: Sequence[str]) -> None:
        common = [f"--episode.specification={level.name}", f"--seed_everything={self.seed}"]
        run_command(command, folder, [*words, *common])


def run_command(command: str, folder: Path, words: Sequence[str]) -> None:
    """Run a `lit-grpo` command of the quickstart's SFT in a folder, its output beside it."""
    configs = [f"--config={CONFIGS / 'quickstart' / name}.yaml" for name in ("base", "sft")]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(f".{command}.log").open("w", encoding="utf-8") as log:
        arguments = [
            sys.executable,
            "-m",
            "lit_grpo",
            command,
            *configs,
            *words,
            f"--trainer.default_root_dir={folder}",
        ]
        environment = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", **os.environ}
        subprocess.run(arguments, check=True, stdout=log, stderr=subprocess.STDOUT, env=environment)


def row(policy: SpecificationLevel, level: SpecificationLevel, wordings: Wordings, folder: Path) -> str:
    """One line of the table: FR@1 and FR@5 with their 95 % intervals over tasks."""
    found = summarise(read_table(folder), BootstrapSettings()).overall.estimates
    names = " | ".join(choice.name for choice in (policy, level, wordings))
    return f"| {names} | {written(found[Quantity.FR_1])} | {written(found[Quantity.FR_5])} |"


def written(estimate: Estimate) -> str:
    """A value with its interval."""
    value, *interval = (f"{number:.3f}" for number in estimate[:3])
    return f"{value} [{', '.join(interval)}]"


def main() -> None:
    """Train and test what has not been, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("runs/specification_levels"), help="(%(default)s)")
    parser.add_argument("--batches", type=int, default=100, help="of 16 demonstrations (%(default)s)")
    parser.add_argument("--demonstrations", type=int, default=400, help="different ones (%(default)s)")
    parser.add_argument("--tasks", type=int, default=256, help="held out, for each test (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(%(default)s)")
    options = parser.parse_args()
    study = Study(options.output, options.batches, options.demonstrations, options.tasks, options.seed)
    print("| policy of | reads | wordings | FR@1 | FR@5 |\n|---|---|---|---|---|", flush=True)
    for policy, level in READERS:
        study.train(policy)
        for wordings in WORDINGS:
            print(row(policy, level, wordings, study.test(policy, level, wordings)), flush=True)


if __name__ == "__main__":
    main()
