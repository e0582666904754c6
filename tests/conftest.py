"""Fixtures of the whole suite: a tiny Qwen3 with its tokenizer, on disk, made once per session."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle, initial_observation
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.experiments.base_model import TinyModelSettings, make_base_model

TINY_TASKS = TaskSettings(size=ProgramSize.TINY)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 of 2 layers x 32 with a tokenizer learned from tiny tasks."""
    solver = HighsSolver()
    tasks = [generate_task(TINY_TASKS, Split.TRAIN, 0, index, solver) for index in range(40)]
    texts = [
        initial_observation(task.problem, solver.conflict(task.problem.program), ObservationStyle.COMPACT)
        for task in tasks
    ]
    names = {name for task in tasks for name in _names(task.problem.program)}
    folder = tmp_path_factory.mktemp("tiny") / "model"
    settings = TinyModelSettings(
        hidden_size=32, num_layers=2, num_heads=2, num_key_value_heads=1, intermediate_size=64, vocabulary_size=768
    )
    make_base_model(folder, texts, names, seed=0, settings=settings)
    return folder


@pytest.fixture
def other_checkpoint(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The same model with another number in one of its matrices."""
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "other")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][3, 5] += 1.0
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def _names(program: LinearProgram) -> list[str]:
    return [*(row.name for row in program.constraints), *(variable.name for variable in program.variables)]
