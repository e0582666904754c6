"""RepairWriter: `lit-grpo predict` explains a user's program, ranks repairs with a policy, and writes what it says."""

from __future__ import annotations

from functools import partial
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from lit_grpo.data.user_program import RepairDataModule, UserProgram
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.settings import EngineSettings, TransformersSettings
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.explain.as_text import explanation_text
from lit_grpo.explain.explain import make_solver
from lit_grpo.explain.explanation import ExplainSettings, Explanation
from lit_grpo.explain.reading import Question, explained
from lit_grpo.fitting.console import say
from lit_grpo.fitting.learned_level import warn_of_other_level
from lit_grpo.modules.base import PolicyModule, require_policy_module
from lit_grpo.repair.as_text import prediction_text
from lit_grpo.repair.attempts import AskedPolicy
from lit_grpo.repair.files import write_prediction
from lit_grpo.repair.prediction import Prediction, RepairSettings, needs_policy, predict, unasked_prediction
from lit_grpo.repair.shown import shown_repairs
from lit_grpo.seeds import Seed


class RepairWriter(Callback):
    """Says what is wrong with a program, before weights are read, then which repairs a policy thinks likely.

    Writes the repaired program, patches of the user's file, and the results.

    Args:
        settings: How often the program is tried, and how sure the policy has to be.
        max_completion_tokens: Most tokens of a turn; None: the default of SamplingSettings.
        episode: Rules and rendering, those the policy was trained with; None: the defaults.
        engine: Makes the engine that samples; None: TransformersSettings.
        stop: Token ids that end a turn, besides the chat format's own; None: none.

    The last four are filled in by the command line where they are None (shared_settings.py).

    Attributes:
        exit_status: 0: nothing has to be repaired, or a repair is recommended; 1: neither.
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
        self.exit_status = 0
        self._engine = PolicyEngine(engine or TransformersSettings())
        self._solver = make_solver()
        self._explanation: Explanation | None = None

    def explain(self, trainer: pl.Trainer, asked: UserProgram) -> bool:
        """Explain the program, once; whether there is something to put to a policy. If not, everything is said.

        Raises:
            ProgramError: A file is refused.
        """
        if self._explanation is None:
            question = Question(asked.program, asked.specification, asked.keep, asked.assertions)
            self._explanation = explained(question, ExplainSettings(), "data.keep", self._solver)
            say(trainer, explanation_text(self._explanation).splitlines())
            if not needs_policy(self._explanation):
                self._conclude(trainer, asked, unasked_prediction(self._explanation))
        return needs_policy(self._explanation)

    @override
    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Explain the program, before the module reads its weights."""
        data = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        if stage == "predict" and isinstance(data, RepairDataModule):
            self.explain(trainer, data.asked)

    @override
    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """End the engine; a later stage starts a new one."""
        self._engine.close()
        self._explanation = None

    @override
    def on_predict_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Ask the policy, show, write.

        Raises:
            ValueError: A file is refused, or cannot be written.
        """
        assert isinstance(batch, UserProgram), f"expected RepairDataModule's program, got {type(batch).__name__}"
        module = require_policy_module(pl_module, "RepairWriter")
        if not self.explain(trainer, batch):
            return
        warn_of_other_level(module.policy_settings.checkpoint, self.episode)
        assert self._explanation is not None, "explained above"
        seed = Seed(self.settings.seed).value
        policy = self._asked_policy(module)
        prediction = predict(self._explanation, policy, self.episode, self._solver, self.settings, seed)
        self._conclude(trainer, batch, prediction)

    def _asked_policy(self, module: PolicyModule) -> AskedPolicy:
        served = module.served
        return AskedPolicy(
            self._engine.current(served),
            self._engine.conversation(served),
            partial(served.continuation_logprobs, microbatch_tokens=module.microbatch_tokens),
            self.max_completion_tokens,
            self.stop,
        )

    def _conclude(self, trainer: pl.Trainer, asked: UserProgram, prediction: Prediction) -> None:
        """Show and write, once for all ranks."""
        self.exit_status = prediction.exit_status
        if not trainer.is_global_zero:
            return
        shown = shown_repairs(prediction, self._solver)
        say(trainer, ["", *prediction_text(prediction, shown).splitlines()])
        written = write_prediction(prediction, shown, asked)
        say(trainer, ["Written: " + ", ".join(str(path) for path in written)])
