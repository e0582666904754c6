"""A bakery's file and text, and a policy that says what it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bakery import BREAD, TEXT, MakePolicy
from transformers import AutoTokenizer

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.engines.engine import GenerationRequest
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.episodes.actions import Action, Move, render
from lit_grpo.packing import PromptGroup
from lit_grpo.repair.attempts import AskedPolicy


@pytest.fixture
def bakery(tmp_path: Path) -> tuple[Path, Path]:
    """The file and its text."""
    program, text = tmp_path / "plan.lp", tmp_path / "plan.txt"
    program.write_text(BREAD, encoding="utf-8")
    text.write_text(TEXT, encoding="utf-8")
    return program, text


@pytest.fixture(scope="session")
def conversation(tiny_checkpoint: Path) -> ConversationFormat:
    """The chat format of the tiny policy."""
    return ConversationFormat(AutoTokenizer.from_pretrained(tiny_checkpoint))


@pytest.fixture
def make_policy(conversation: ConversationFormat) -> MakePolicy:
    """Makes a policy of the turns of each attempt, and of the log-prob that it gives a continuation's text."""

    def make(
        attempts: Sequence[Sequence[Action]],
        logprob: Callable[[str], float] = lambda text: -1.0,
        max_context_tokens: int = 1 << 20,
    ) -> AskedPolicy:
        turns = [iter(actions) for actions in attempts]
        (stop,) = conversation.completion_ids("")

        def say(request: GenerationRequest) -> str:
            return render(Move(next(turns[request.conversation])))

        def logprobs(group: PromptGroup) -> list[float]:
            return [logprob(conversation.decode(continuation.token_ids)) for continuation in group.continuations]

        engine = ScriptedEngine(
            say, lambda text: conversation.completion_ids(text)[:-1], stop, max_context_tokens=max_context_tokens
        )
        return AskedPolicy(engine, conversation, logprobs, max_completion_tokens=64)

    return make
