"""Tasks, a chat format and a scripted engine for the tests of the rollout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.engines.engine import GenerationRequest
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.solver.highs import HighsSolver


@pytest.fixture(scope="session")
def solver() -> HighsSolver:
    return HighsSolver()


@pytest.fixture(scope="session")
def tasks(solver: HighsSolver) -> list[Task]:
    """Tiny ones, each with another id."""
    settings = TaskSettings(size=ProgramSize.TINY)
    return [generate_task(settings, Split.TRAIN, 3, index, solver) for index in range(4)]


@pytest.fixture(scope="session")
def conversation(tiny_checkpoint: Path) -> ConversationFormat:
    return ConversationFormat(AutoTokenizer.from_pretrained(tiny_checkpoint))


@pytest.fixture
def scripted(conversation: ConversationFormat) -> Callable[..., ScriptedEngine]:
    """Makes an engine that answers with the texts of a policy function."""

    def make(policy: Callable[[GenerationRequest], str], **settings: float | int | None) -> ScriptedEngine:
        return ScriptedEngine(
            policy,
            encode=lambda text: conversation.completion_ids(text)[:-1],
            stop_id=conversation.completion_ids("")[-1],
            **settings,  # pyright: ignore[reportArgumentType]
        )

    return make
