"""The episode as an environment with tools, for TRL's GRPOTrainer: several turns, one tool per action.

Called by GRPOTrainer, which makes one instance per rollout, calls `reset` with the columns of a row, shows every other
public method to the model as a tool, and asks for `get_reward` at the end. Arguments come from a language model and
are written as the grammar's JSON object, so that the one parser (environment/actions.py) judges them here too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from lit_grpo.adapters.trl import PromptRow, prompt_row, read_task, reward_of
from lit_grpo.data.task import Task
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.instructions import FULL_INSTRUCTIONS
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.episodes.room import TokenCount
from lit_grpo.environment.episodes.scoring import score_episode
from lit_grpo.environment.solver.remembering import RememberingSolver
from lit_grpo.environment.solver.solver import Solver, SolverFailure
from lit_grpo.rewards.components import RewardWeights

TOOL_INSTRUCTIONS = FULL_INSTRUCTIONS.partition("\n\n")[0] + (
    "\n\nAct by calling a tool; every call is a step, and you have few. Name in diagnosis the elements you hold "
    "responsible, row:NAME or var:NAME. After each call you see what the solver says."
)
"""The system prompt: the task as in the package's own, the grammar replaced by the tools that TRL describes."""


def tool_rows(
    tasks: Iterable[Task], solver: Solver, settings: EpisodeSettings, count_tokens: TokenCount | None = None
) -> list[PromptRow]:
    """Rows for ``datasets.Dataset.from_list``, to be used with `RepairTools` of the same settings.

    Args:
        tasks: One row each.
        solver: Finds the conflicts.
        settings: Rules and rendering.
        count_tokens: How many tokens a text has for the model, e.g. ``lambda text: len(tokenizer.encode(text))``;
            needed where ``settings.view_tokens`` is set.

    Raises:
        ValueError: A task that takes more edits than an episode has steps, or nobody counts tokens where they are
            limited.
        SolverFailure: The solver broke.
    """
    return [prompt_row(task, solver, settings, TOOL_INSTRUCTIONS, count_tokens) for task in tasks]


class RepairTools:
    """One rollout's environment: ``environment_factory=lambda: RepairTools(solver, settings)``."""

    def __init__(
        self,
        solver: Solver,
        settings: EpisodeSettings,
        weights: RewardWeights | None = None,
        count_tokens: TokenCount | None = None,
    ) -> None:
        """An instance without an episode yet.

        Args:
            solver: Answers every call and judges the end.
            settings: Rules and rendering, those of the rows.
            weights: The weights of the composite reward; None: the default ones.
            count_tokens: That of the rows; needed where ``settings.view_tokens`` is set.
        """
        self._solver, self._settings, self._weights = solver, settings, weights or RewardWeights()
        self._count_tokens = count_tokens
        self._remembering = RememberingSolver(solver)
        self._task: Task | None = None
        self._episode: RepairEpisode | None = None
        """None where the solver broke before the first turn."""

    def reset(self, task: str, **others: object) -> None:
        """Begin an episode on the task of a row, whose prompt has shown the first observation already."""
        self._task = read_task(task)
        self._remembering = RememberingSolver(self._solver)
        try:
            self._episode = RepairEpisode(self._task.problem, self._remembering, self._settings, self._count_tokens)
        except SolverFailure:
            # There will be no verdict on this rollout: get_reward says so, and TRL leaves it out.
            self._episode = None

    def get_reward(self) -> float | None:
        """The composite reward of the program as it stands; None, TRL's "no reward", if the solver broke.

        A model that calls no further tool has submitted.
        """
        assert self._task is not None, "get_reward before reset"
        if self._episode is None:
            return None
        if self._episode.stop_reason is None:
            self._episode.end(StopReason.SUBMITTED)
        score = score_episode(self._episode.record(), self._task.fault, self._remembering)
        return reward_of(score, self._weights, self._settings.max_turns)

    # --- the tools, each with a docstring that the model reads -----------------------------------------------------

    def set_rhs(self, row: str, value: float, diagnosis: list[str]) -> str:
        """Set the right-hand side of a row.

        Args:
            row: The name of the row.
            value: The new right-hand side.
            diagnosis: The elements held responsible, such as row:NAME or var:NAME.
        """
        return self._play("set_rhs", diagnosis, row=row, value=value)

    def set_sense(self, row: str, sense: str, diagnosis: list[str]) -> str:
        """Set the sense of a row.

        Args:
            row: The name of the row.
            sense: The new sense. (choices: ["<=", ">=", "="])
            diagnosis: The elements held responsible, such as row:NAME or var:NAME.
        """
        return self._play("set_sense", diagnosis, row=row, sense=sense)

    def set_coefficient(self, row: str, variable: str, value: float, diagnosis: list[str]) -> str:
        """Set the coefficient of a variable in a row.

        Args:
            row: The name of the row.
            variable: The name of the variable.
            value: The new coefficient.
            diagnosis: The elements held responsible, such as row:NAME or var:NAME.
        """
        return self._play("set_coefficient", diagnosis, row=row, variable=variable, value=value)

    def set_bounds(self, variable: str, lower: float | None, upper: float | None, diagnosis: list[str]) -> str:
        """Set both bounds of a variable.

        Args:
            variable: The name of the variable.
            lower: The new lower bound, null for none.
            upper: The new upper bound, null for none.
            diagnosis: The elements held responsible, such as row:NAME or var:NAME.
        """
        return self._play("set_bounds", diagnosis, variable=variable, lower=lower, upper=upper)

    def set_type(self, variable: str, type: str, diagnosis: list[str]) -> str:
        """Set the type of a variable.

        Args:
            variable: The name of the variable.
            type: The new type. (choices: ["continuous", "integer", "binary"])
            diagnosis: The elements held responsible, such as row:NAME or var:NAME.
        """
        return self._play("set_type", diagnosis, variable=variable, type=type)

    def relax(self, row: str, amount: float, diagnosis: list[str]) -> str:
        """Widen the right-hand side of a row.

        Args:
            row: The name of the row.
            amount: How far it is relaxed; of an equality also negative.
            diagnosis: The elements held responsible, such as row:NAME or var:NAME.
        """
        return self._play("relax", diagnosis, row=row, amount=amount)

    def drop(self, row: str, diagnosis: list[str]) -> str:
        """Delete a row.

        Args:
            row: The name of the row.
            diagnosis: The elements held responsible, such as row:NAME or var:NAME.
        """
        return self._play("drop", diagnosis, row=row)

    def inspect(self, name: str) -> str:
        """Show the range of a row or variable, and its violation in a smallest relaxation.

        Args:
            name: The name of the row or variable.
        """
        return self._play("inspect", name=name)

    def get_conflict(self) -> str:
        """Show the conflict of the model as it stands."""
        return self._play("get_conflict")

    def restore(self) -> str:
        """Go back to the model as it was given."""
        return self._play("restore")

    def submit(self) -> str:
        """Stop here."""
        return self._play("submit")

    def _play(self, action: str, diagnosis: object = None, **arguments: object) -> str:
        """One step of the episode; a call after its end changes nothing, and says so."""
        if self._episode is None:
            return "The episode is over: solver_failed."
        if self._episode.stop_reason is not None:
            return f"The episode is over: {self._episode.stop_reason}."
        stated = {} if diagnosis is None else {"diagnosis": diagnosis}
        return self._episode.step(json.dumps(stated | {"action": action} | arguments)).observation
