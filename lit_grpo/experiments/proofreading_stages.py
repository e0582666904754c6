"""Training in stages that end by what is read, not by the clock, and that go on where they were killed.

Called by small_base.py. Before a stage the model reads held-out texts of it; what it reads well enough already is not
trained. A stage is trained in legs of a few minutes; after each leg it reads these texts again, and the stage ends when
they are read well enough. Each leg leaves its policy and its figures in the run folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lit_grpo.data.json_values import read_object
from lit_grpo.data.proofreading import ProofreadingSettings
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.experiments.reading import ReadingScores

READING_FILE = "reading.json"
POLICY_FOLDER = "policy"


class NotLearned(RuntimeError):
    """A stage used up its prompts and its goal was not reached: says what was, and what to change."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What has to be read right on held-out texts of a stage; shares from 0 to 1, as in ``ReadingScores``."""

    copied_numbers: float
    mended_numbers: float
    judged: float
    found: float = 0.0
    found_next: float = 0.0

    def is_reached(self, scores: ReadingScores) -> bool:
        """Whether every share is as large as is asked for."""
        return (
            scores.copied_numbers.value >= self.copied_numbers
            and scores.mended_numbers.value >= self.mended_numbers
            and scores.judged >= self.judged
            and scores.found.value >= self.found
            and (not self.found_next or scores.found_next.value >= self.found_next)
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """What is read until it is read well enough."""

    name: str
    difficulties: Mapping[Difficulty, float]
    """Weights of the programs' difficulties."""
    proofreading: ProofreadingSettings
    goal: Goal
    batches_per_leg: int
    batch_size: int = 8
    frozen_layers: int = 0
    """Embeddings, head and so many layers stay as they are: those that read before they have learned anything."""
    final_fraction: float = 0.1
    """What the rates fall to within each leg: it begins with a new optimizer, and at full rates nothing more is learned
    after some hundred batches."""
    max_prompts: int = 20_000
    """Prompts after which the exercise is to be changed, not the clock."""

    @property
    def tasks(self) -> TaskSettings:
        """The tasks that its programs are drawn from."""
        return TaskSettings(size=None, difficulties=dict(self.difficulties))


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a stage that leaves a policy behind."""

    stage: Stage
    folder: Path
    start: Path
    """The policy it goes on from."""
    seed: int
    """The seed of its exercises: no leg repeats those of another."""


def run_stages(
    run: Path,
    start: Path,
    stages: Sequence[Stage],
    fit: Callable[[Leg], None],
    read: Callable[[Path, Stage], ReadingScores],
) -> Path:
    """Train stage after stage, each until its goal is reached; what is done already is not done again.

    Args:
        run: The run folder.
        start: The policy that the first leg starts from.
        stages: In order.
        fit: Trains a leg and leaves its policy in ``leg.folder / "policy"``.
        read: Measures a policy on held-out texts of a stage.

    Returns:
        The folder of the last policy.

    Raises:
        NotLearned: A stage used up its prompts.
    """
    policy, number = start, 0
    for index, stage in enumerate(stages):
        folder, num_prompts = run / f"{index}_{stage.name}", 0
        scores = _read_before(folder, policy, stage, read)
        while not stage.goal.is_reached(scores):
            if num_prompts >= stage.max_prompts:
                raise NotLearned(
                    f"stage {stage.name}: expected {stage.goal} within {stage.max_prompts} prompts, got "
                    f"{summary(scores)} after {num_prompts}; change the exercises or the tokens, not their number"
                )
            leg = Leg(stage, folder / f"leg_{number:02d}", policy, number)
            scores = _read_file(leg.folder) or _run_leg(leg, fit, read)
            policy, number = leg.folder / POLICY_FOLDER, number + 1
            num_prompts += stage.batches_per_leg * stage.batch_size
    return policy


def _read_before(
    folder: Path, policy: Path, stage: Stage, read: Callable[[Path, Stage], ReadingScores]
) -> ReadingScores:
    """The figures of the policy that a stage would begin with."""
    scores = _read_file(folder)
    if scores is None:
        folder.mkdir(parents=True, exist_ok=True)
        scores = _write(read(policy, stage), folder)
    return scores


def _run_leg(leg: Leg, fit: Callable[[Leg], None], read: Callable[[Path, Stage], ReadingScores]) -> ReadingScores:
    """The figures are written last, and at once: a leg without them has not ended, and begins again."""
    if leg.folder.exists():
        shutil.rmtree(leg.folder)
    leg.folder.mkdir(parents=True)
    fit(leg)
    return _write(read(leg.folder / POLICY_FOLDER, leg.stage), leg.folder)


def _write(scores: ReadingScores, folder: Path) -> ReadingScores:
    written = folder / f"{READING_FILE}.tmp"
    written.write_text(json.dumps(asdict(scores), indent=1) + "\n", encoding="utf-8")
    written.rename(folder / READING_FILE)
    return scores


def _read_file(folder: Path) -> ReadingScores | None:
    """The figures in a folder; None: there are none yet."""
    file = folder / READING_FILE
    return ReadingScores.from_dict(read_object(file, "delete it, and it is made again")) if file.is_file() else None


def summary(scores: ReadingScores) -> str:
    """The shares in one line."""
    shares = {name: share.value for name, share in scores.shares().items()} | {"judged": scores.judged}
    return ", ".join(f"{name} {value:.3f}" for name, value in shares.items())
