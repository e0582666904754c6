"""An arm of a comparison: a list of configs, and the arm it starts from.

Named by quickstart_arms.py and ablation_arms.py; arm_run.py runs one. Nothing here takes long to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MORE_SEEDS = 1_000_000
"""Above the seeds of any demonstrations and fresh tasks."""


class TrainingData(Enum):
    """What an arm learns from, as the seeds of its data: demonstrations are never among the fresh tasks."""

    DEMONSTRATIONS = "demonstrations"
    """Those that all arms of a seed share."""
    FRESH_DEMONSTRATIONS = "fresh demonstrations"
    FRESH_TASKS = "fresh tasks"
    FRESH_TASKS_AND_REPLAY = "fresh tasks and replay"
    """Fresh tasks with replay of the shared demonstrations."""
    MORE_FRESH_DEMONSTRATIONS = "more fresh demonstrations"
    """Of an arm that goes on from fresh demonstrations: of tasks that these have not shown."""
    MORE_FRESH_TASKS = "more fresh tasks"
    MORE_FRESH_TASKS_AND_REPLAY = "more fresh tasks and replay"
    """Tasks that fresh demonstrations have not shown, with replay of demonstrations out of these."""

    def arguments(self, seed: int) -> list[str]:
        """The arguments of a `lit-grpo` command."""
        demonstrated, fresh, more = 2 * seed, 2 * seed + 1, MORE_SEEDS + seed
        match self:
            case TrainingData.DEMONSTRATIONS:
                return [f"--data.seed={demonstrated}"]
            case TrainingData.FRESH_DEMONSTRATIONS | TrainingData.FRESH_TASKS:
                return [f"--data.seed={fresh}"]
            case TrainingData.FRESH_TASKS_AND_REPLAY:
                return [f"--data.seed={fresh}", f"--data.replay.seed={demonstrated}"]
            case TrainingData.MORE_FRESH_DEMONSTRATIONS | TrainingData.MORE_FRESH_TASKS:
                return [f"--data.seed={more}"]
            case TrainingData.MORE_FRESH_TASKS_AND_REPLAY:
                return [f"--data.seed={more}", f"--data.replay.seed={fresh}"]


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
    """Arguments of both commands, after the configs."""
    expected_cpu_s: float = 300.0
    """CPU seconds on one core as fast as the one it was measured on: for the time left alone."""


class ArmFailed(RuntimeError):
    """A command of an arm ended with an error, or could not begin: says where its output is, and its last lines."""
