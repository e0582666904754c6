"""RepairWriter: `lit-grpo predict` repairs a user's program and writes what it did beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from typing_extensions import override

from lit_grpo.data.user_program import UserProgram
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.settings import EngineSettings, TransformersSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.files import write_program
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.fitting.learned_level import warn_of_other_level
from lit_grpo.modules.base import require_policy_module
from lit_grpo.repair import read_problem, repair, report
from lit_grpo.seeds import Seed


@dataclass(frozen=True, slots=True)
class RepairSettings:
    """How often a program is tried."""

    num_attempts: int = 8
    """The first is greedy, the others are sampled; the least change that is feasible is kept."""
    seed: int | None = None
    """The seed of the sampled attempts; None: the run's."""


class RepairWriter(Callback):
    """Writes the repaired program and a report with the diagnosis, the difference and its cost.

    Args:
        settings: How often the program is tried.
        max_completion_tokens: Most tokens of a turn; None: the default of SamplingSettings.
        episode: Rules and rendering, those the policy was trained with; None: the defaults.
        engine: Makes the engine that samples; None: TransformersSettings.
        stop: Token ids that end a turn, besides the chat format's own; None: none.

    The last four are filled in by the command line where they are None (shared_settings.py).
    """

    def __init__(
        self,
        settings: RepairSettings | None = None,
        max_completion_tokens: int | None = None,
        episode: EpisodeSettings | None = None,
        engine: EngineSettings | None = None,
        stop: tuple[int, ...] | None = None,
    ) -> None:
        self.settings, self.episode = settings or RepairSettings(), episode or EpisodeSettings()
        default = SamplingSettings().max_completion_tokens
        self.max_completion_tokens = default if max_completion_tokens is None else max_completion_tokens
        self.stop = stop or ()
        self._engine = PolicyEngine(engine or TransformersSettings())
        self._solver = HighsSolver()

    @override
    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """End the engine; a later stage starts a new one."""
        self._engine.close()

    @override
    def on_predict_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Read, repair, write, show.

        Raises:
            ValueError: The file is no program, the program is not infeasible, or no attempt made it feasible.
        """
        assert isinstance(batch, UserProgram), f"expected RepairDataModule's program, got {type(batch).__name__}"
        module = require_policy_module(pl_module, "RepairWriter")
        warn_of_other_level(module.policy_settings.checkpoint, self.episode)
        policy = module.served
        problem = read_problem(batch.program, batch.specification, self._solver)
        found = repair(
            problem,
            self._engine.current(policy),
            self._engine.conversation(policy),
            self._solver,
            self.episode,
            self.max_completion_tokens,
            self.settings.num_attempts,
            Seed(self.settings.seed).value,
            self.stop,
        )
        if found is None:
            raise ValueError(
                f"{batch.program}: expected a repair within {self.settings.num_attempts} attempts of "
                f"{self.episode.max_turns} turns, got none; raise settings.num_attempts of RepairWriter, or take a "
                "policy trained on such programs"
            )
        text = report(found, problem.specification is not None)
        batch.output.parent.mkdir(parents=True, exist_ok=True)
        write_program(found.repaired, batch.output)
        batch.output.with_suffix(".report.txt").write_text(text, encoding="utf-8")
        Console().print(text, markup=False, highlight=False)
        Console().print(f"Written: {batch.output} and {batch.output.with_suffix('.report.txt').name}", markup=False)
