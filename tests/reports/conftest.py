"""Synthetic run folders: arms of known skill on the same tasks."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.environment.episodes.scoring import DiagnosisScore, RepairScore
from lit_grpo.environment.faults.injection import Difficulty, FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import results_of, write_run

ARMS = {"sft": 0.55, "sft_compute_matched": 0.56, "sft_grpo": 0.72}
BASELINES = {"drop-first": 0.0, "informed-random": 0.5, "minimum-relaxation": 0.14, "oracle": 1.0}
CHEAP = BootstrapSettings(num_replicates=200)


def scored_task(index: int, skill: float, rng: random.Random) -> ScoredTask:
    """A faithful recovery with probability ``skill``, more for early kinds."""
    kind = list(FaultKind)[index % 4]
    is_faithful = rng.random() < skill + (0.0 if skill in (0.0, 1.0) else (0.15, 0.05, -0.05, -0.15)[index % 4])
    is_recovered = is_faithful or rng.random() < 0.2
    turns = rng.choice((1, 1, 1, 2, 3)) if is_recovered else 5
    f1 = 1.0 if is_faithful else rng.choice((0.0, 0.0, 0.5))
    return ScoredTask(
        task_id=f"task-{index:04d}",
        kind=kind,
        difficulty=list(Difficulty)[index // 4 % 3],
        domain="blending",
        stop_reason=StopReason.RECOVERED if is_recovered else StopReason.TURN_LIMIT,
        score=RepairScore(
            recovered=is_recovered,
            faithful=is_faithful,
            turns=turns,
            min_turns=1,
            diagnosis=DiagnosisScore(f1, f1, f1, f1 == 1.0),
            iis_rows=5,
            iis_hits=2,
            edits=0 if is_faithful else 1,
            drift=None if not is_recovered else 0.0 if is_faithful else 0.2,
            malformed_turns=0,
            inconclusive_turns=0,
            verified=True,
        ),
    )


@pytest.fixture
def make_scored_task() -> Callable[[int, float, random.Random], ScoredTask]:
    """`scored_task`, for tests that need scores of their own."""
    return scored_task


def write_seed(root: Path, seed: int, num_tasks: int) -> None:
    for parent, skills in (("arms", ARMS), ("baselines", BASELINES)):
        for name, skill in skills.items():
            rng = random.Random(f"{seed} {name}")
            tasks = [scored_task(index, skill, rng) for index in range(num_tasks)]
            write_run(root / parent / name, tasks, results_of(tasks, CHEAP), CHEAP)


@pytest.fixture(scope="session")
def write_arm() -> Callable[..., None]:
    """Writes the scores of an arm of a given skill into a folder."""

    def write(folder: Path, skill: float, seed: int, num_tasks: int = 96) -> None:
        rng = random.Random(f"{seed} {folder.name}")
        tasks = [scored_task(index, skill, rng) for index in range(num_tasks)]
        write_run(folder, tasks, results_of(tasks, CHEAP), CHEAP)

    return write


@pytest.fixture
def comparison_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes one seed's folder, or one per seed."""

    def write(num_seeds: int = 1, num_tasks: int = 240) -> Path:
        for seed in range(num_seeds):
            write_seed(tmp_path if num_seeds == 1 else tmp_path / f"seed-{seed}", seed, num_tasks)
        return tmp_path

    return write
