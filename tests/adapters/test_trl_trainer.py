"""The adapter in TRL's own GRPOTrainer.

1. One turn: a step with a real sampler; every reward is a verified one, and TRL logs the shares.
2. One turn: where answers differ in reward, the step moves the weights.
3. A broken solver's reward counts as none: nothing is learned from it, and no number is logged for it.
4. Several turns: tool calls reach the episode, its observations the conversation, its reward the trainer.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from lit_grpo.adapters.trl import PromptRow, one_turn_rows, repair_reward
from lit_grpo.adapters.trl_tools import RepairTools, tool_rows
from lit_grpo.data.task import Task
from lit_grpo.environment.episodes.actions import Move, render
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Solver

trl = pytest.importorskip("trl", reason="not installed: pip install -c constraints.txt -e '.[trl]'")
datasets = pytest.importorskip("datasets", reason="not installed: pip install -c constraints.txt -e '.[trl]'")

TOOLS = EpisodeSettings(max_turns=5, style=ObservationStyle.COMPACT)


class ScriptedTrainer(trl.GRPOTrainer):
    """Everything of TRL but the sampler: the turns are said one after the other, one text per rollout of the batch."""

    script: Iterable[list[str]]

    def _generate_single_turn(self, prompt_ids: list[list[int]], *_: object, **__: object) -> tuple[list, None]:
        texts = next(iter(self.script))
        assert len(texts) == len(prompt_ids)
        end = self.processing_class.eos_token_id
        return [[*self.processing_class.encode(text, add_special_tokens=False), end] for text in texts], None


def settings(folder: Path, num_generations: int, **changes: object) -> object:
    return trl.GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        max_steps=1,
        per_device_train_batch_size=num_generations,
        num_generations=num_generations,
        max_completion_length=256,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        beta=0.0,
        gradient_checkpointing=False,
        shuffle_dataset=False,
        report_to="none",
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        seed=0,
        **changes,
    )


def loaded(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder, padding_side="left")


def fitted(
    trainer_class: type, folder: Path, rows: list[PromptRow], answers: list[list[str]] | None, **arguments: object
) -> tuple[dict[str, float], bool]:
    """What one step logs, and whether it moved a weight."""
    trainer = trainer_class(args=settings(folder, 2), train_dataset=datasets.Dataset.from_list(rows), **arguments)
    if answers is not None:
        trainer.script = iter(answers)
    before = [weight.detach().clone() for weight in trainer.model.parameters()]
    trainer.train()
    moved = any(not torch.equal(a, b) for a, b in zip(before, trainer.model.parameters(), strict=True))
    return trainer.state.log_history[0], moved


def oracle(task: Task) -> str:
    (edit,) = task.fault.inverse
    return render(Move(edit, task.fault.faulty_elements))


def one_turn(
    tiny_checkpoint: Path, folder: Path, task: Task, judge: Solver, answers: list[list[str]] | None
) -> tuple[dict[str, float], bool]:
    model, tokenizer = loaded(tiny_checkpoint)
    assert isinstance(tokenizer.eos_token_id, int)
    return fitted(
        trl.GRPOTrainer if answers is None else ScriptedTrainer,
        folder,
        one_turn_rows([task], HighsSolver(), ObservationStyle.COMPACT),
        answers,
        model=model,
        processing_class=tokenizer,
        reward_funcs=repair_reward(judge, {tokenizer.eos_token_id}),
    )


def test_a_step_with_the_sampler_of_trl(tiny_checkpoint: Path, tmp_path: Path, task: Task, solver: HighsSolver) -> None:
    log, _ = one_turn(tiny_checkpoint, tmp_path, task, solver, None)
    assert 0.0 <= log["rewards/solver_verified_reward/mean"] <= 1.0
    assert log["verified"] == 1.0


def test_a_step_learns_from_rewards_that_differ(
    tiny_checkpoint: Path, tmp_path: Path, task: Task, solver: HighsSolver
) -> None:
    log, moved = one_turn(tiny_checkpoint, tmp_path, task, solver, [[oracle(task), "nonsense"]])
    # (1 + 0) / 2
    assert log["reward"] == pytest.approx(0.5)
    assert log["faithful"] == pytest.approx(0.5)
    assert moved


def test_a_broken_solver_teaches_nothing(
    tiny_checkpoint: Path, tmp_path: Path, task: Task, solver_that_breaks_at_once: Solver
) -> None:
    log, moved = one_turn(tiny_checkpoint, tmp_path, task, solver_that_breaks_at_once, [[oracle(task), "nonsense"]])
    assert log["rewards/solver_verified_reward/mean"] is None
    assert log["reward"] is None
    assert log["verified"] == 0.0
    assert not moved


def tool_call(move: str) -> str:
    arguments = json.loads(move)
    name = arguments.pop("action")
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


@pytest.fixture
def with_tools(tiny_checkpoint: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The tiny model with a chat template that knows tools."""
    from trl.chat_template_utils import qwen3_instruct_2507_chat_template  # pyright: ignore[reportMissingImports]

    model, tokenizer = loaded(tiny_checkpoint)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"], "eos_token": "<|im_end|>"})
    tokenizer.chat_template = qwen3_instruct_2507_chat_template
    model.resize_token_embeddings(len(tokenizer))
    model.config.max_position_embeddings = 32_768
    return model, tokenizer


@pytest.mark.filterwarnings("ignore:You are using .environment_factory.")
def test_several_turns(
    with_tools: tuple[PreTrainedModel, PreTrainedTokenizerBase], tmp_path: Path, task: Task, solver: HighsSolver
) -> None:
    model, tokenizer = with_tools
    made: list[RepairTools] = []

    def factory() -> RepairTools:
        made.append(RepairTools(solver, TOOLS))
        return made[-1]

    turns = [
        [tool_call('{"action":"get_conflict"}'), tool_call('{"action":"submit"}')],
        [tool_call(oracle(task)), "I stop."],
        ["Repaired."],
    ]
    log, moved = fitted(
        ScriptedTrainer,
        tmp_path,
        tool_rows([task], solver, TOOLS),
        turns,
        model=model,
        processing_class=tokenizer,
        environment_factory=factory,
    )
    # Two steps where one suffices: 0.95; submitted without a name: 0. Mean 0.475.
    assert log["rewards/RepairTools/mean"] == pytest.approx(0.475)
    assert [tools.get_reward() for tools in made] == pytest.approx([0.95, 0.0])
    assert log["tools/call_frequency"] == pytest.approx(1.5)
    assert log["tools/failure_frequency"] == 0.0
    assert moved
