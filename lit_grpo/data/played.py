"""What an evaluation played: where its held-out tasks come from, and the rules of the episodes. An entry of
`results.json`.

Written by whoever evaluates (metrics/results.py); read by experiments/baselines.py, which plays the same tasks by the
same rules with the policies that need no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lit_grpo.data.held_out_tasks import held_out_tasks
from lit_grpo.data.json_values import object_of
from lit_grpo.data.splits import Split
from lit_grpo.data.suite import read_suite
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.domains.base import Domain, ProgramSize, Wordings
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.ground_truth import GradedProblem
from lit_grpo.environment.solver.highs import HighsSolver


@dataclass(frozen=True, slots=True)
class GeneratedTasks:
    """The first tasks of a split."""

    settings: TaskSettings
    split: Split
    seed: int
    num_tasks: int


@dataclass(frozen=True, slots=True)
class Played:
    """What was played."""

    tasks: GeneratedTasks | Path
    """Generated ones, or those of a suite: a file or a folder, as it was named."""
    rules: EpisodeSettings

    def read_tasks(self) -> Sequence[GradedProblem]:
        """Generate the tasks, or read them.

        Raises:
            BenchmarkError: The suite is not there, or is none.
        """
        if isinstance(self.tasks, Path):
            return read_suite(self.tasks)
        made = self.tasks
        return held_out_tasks(made.settings, made.split, made.seed, made.num_tasks, HighsSolver())

    def to_json(self) -> dict[str, Any]:
        """The entry of `results.json`."""
        rules = asdict(self.rules) | {
            "style": self.rules.style.value,
            "specification": self.rules.specification.value,
        }
        if isinstance(self.tasks, Path):
            return {"suite": str(self.tasks), "rules": rules}
        made = self.tasks
        drawn: dict[str, Any] = {
            "size": None if made.settings.size is None else made.settings.size.value,
            "kinds": _weights(made.settings.kinds),
            "difficulties": _weights(made.settings.difficulties),
            "domains": None if made.settings.domains is None else [domain.value for domain in made.settings.domains],
        }
        if made.settings.programs is not None:
            drawn["programs"] = str(made.settings.programs)
        if made.settings.wordings is not Wordings.USUAL:
            drawn["wordings"] = made.settings.wordings.value
        generated = {"split": made.split.value, "seed": made.seed, "num_tasks": made.num_tasks, "drawn": drawn}
        return {"generated": generated, "rules": rules}

    @classmethod
    def from_json(cls, value: object, where: str) -> Played:
        """Read the entry.

        Args:
            value: What `to_json` gave.
            where: What an error names.

        Raises:
            ValueError: It is something else.
        """
        try:
            return _read(object_of(value, where))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{where}: expected what was played (tasks and rules), got {value!r:.80}; evaluate again ({error!r})"
            ) from error


def _read(entry: Mapping[str, Any]) -> Played:
    rules: dict[str, Any] = dict(entry["rules"])
    rules["style"] = ObservationStyle(rules["style"])
    rules["specification"] = SpecificationLevel(rules.get("specification", SpecificationLevel.BESIDE))
    settings = EpisodeSettings(**rules)
    return Played(Path(entry["suite"]) if "suite" in entry else _generated(entry["generated"]), settings)


def _weights(weights: Mapping[Any, float] | None) -> dict[str, float] | None:
    return None if weights is None else {member.value: weight for member, weight in weights.items()}


def _generated(entry: Mapping[str, Any]) -> GeneratedTasks:
    drawn = entry["drawn"]
    domains = drawn["domains"]
    settings = TaskSettings(
        size=None if drawn["size"] is None else ProgramSize(drawn["size"]),
        kinds=drawn["kinds"],
        difficulties=drawn["difficulties"],
        domains=None if domains is None else tuple(Domain(domain) for domain in domains),
        programs=Path(drawn["programs"]) if "programs" in drawn else None,
        wordings=Wordings(drawn.get("wordings", Wordings.USUAL)),
    )
    return GeneratedTasks(settings, Split(entry["split"]), int(entry["seed"]), int(entry["num_tasks"]))
