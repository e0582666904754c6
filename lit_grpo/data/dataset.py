"""Map-style datasets: tasks, demonstrations and proofreading exercises, each a function of its index.

Called by datamodule.py. Nothing is stored beyond what was asked for: item i of a seed is the same in every process.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from random import Random

from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerBase
from typing_extensions import override

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.demonstrations import DemonstrationSettings, demonstrate
from lit_grpo.data.policy_folder import read_tokenizer
from lit_grpo.data.proofreading import ProofreadingSettings, proofread
from lit_grpo.data.splits import Split, split_of
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains import build_base
from lit_grpo.environment.domains.base import BaseModel, Domain
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.difficulty import PROFILES
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.packing import PromptGroup
from lit_grpo.presets import find_checkpoint
from lit_grpo.seeds import Seed


class TaskDataset(Dataset[Task]):
    """Generated tasks of one split; ``keep`` makes each once (for those that are asked for again and again)."""

    def __init__(self, settings: TaskSettings, split: Split, seed: int, keep: bool = False) -> None:
        self._settings, self._split, self._seed = settings, split, seed
        self._kept: dict[int, Task] | None = {} if keep else None

    @cached_property
    def _solver(self) -> HighsSolver:
        return HighsSolver()

    @override
    def __getitem__(self, index: int) -> Task:
        if self._kept is not None and index in self._kept:
            return self._kept[index]
        task = generate_task(self._settings, self._split, self._seed, index, self._solver)
        if self._kept is not None:
            self._kept[index] = task
        return task


class DemonstrationDataset(Dataset[PromptGroup]):
    """The oracle's repairs of training tasks, as tokens; each is made once and kept."""

    def __init__(
        self,
        tasks: TaskSettings,
        tokenizer: Path | None,
        episode: EpisodeSettings,
        settings: DemonstrationSettings,
        seed: Seed,
        keep: bool = True,
    ) -> None:
        self._tasks = tasks
        self._tokenizer, self._episode, self._settings, self._seed = tokenizer, episode, settings, seed
        self._kept: dict[int, PromptGroup] | None = {} if keep else None

    @cached_property
    def _solver(self) -> HighsSolver:
        return HighsSolver()

    @cached_property
    def _conversation(self) -> ConversationFormat:
        return load_conversation(self._tokenizer)

    @override
    def __getitem__(self, index: int) -> PromptGroup:
        if self._kept is None:
            return self._make(index)
        if index not in self._kept:
            self._kept[index] = self._make(index)
        return self._kept[index]

    def _make(self, index: int) -> PromptGroup:
        seed = self._seed.value
        task = generate_task(self._tasks, Split.TRAIN, seed, index, self._solver)
        return demonstrate(task, self._conversation, self._solver, self._episode, self._settings, seed)


class ProofreadingDataset(Dataset[PromptGroup]):
    """True programs with slips in them, and the moves that mend these: pre-training of a model from scratch."""

    def __init__(
        self,
        tasks: TaskSettings,
        tokenizer: Path | None,
        episode: EpisodeSettings,
        settings: ProofreadingSettings,
        seed: Seed,
    ) -> None:
        self._tasks, self._tokenizer, self._episode = tasks, tokenizer, episode
        self._settings, self._seed = settings, seed

    @cached_property
    def _conversation(self) -> ConversationFormat:
        return load_conversation(self._tokenizer)

    @override
    def __getitem__(self, index: int) -> PromptGroup:
        rng = Random(f"proofreading/{self._seed.value}/{index}")
        base = drawn_program(self._tasks, Split.TRAIN, rng)
        return proofread(base, self._conversation, self._episode, self._settings, rng).group


def load_conversation(tokenizer: Path | None) -> ConversationFormat:
    """The chat format of a tokenizer's directory; FileNotFoundError as `load_tokenizer`."""
    return ConversationFormat(load_tokenizer(tokenizer))


def load_tokenizer(tokenizer: Path | None) -> PreTrainedTokenizerBase:
    """The tokenizer of a directory, found as `find_checkpoint` finds a policy's.

    Raises:
        FileNotFoundError: There is no such directory; nothing is ever fetched by name.
    """
    folder = None if tokenizer is None else find_checkpoint(tokenizer)
    if folder is None or not folder.is_dir():
        raise FileNotFoundError(f"data.tokenizer: expected the directory of a tokenizer, got {tokenizer}")
    return read_tokenizer(folder)


def drawn_program(settings: TaskSettings, split: Split, rng: Random) -> BaseModel:
    """A true program of the split, drawn as `generate_task` draws its own."""
    while True:
        difficulty = rng.choices(list(settings.difficulties), list(settings.difficulties.values()))[0]
        domain = rng.choice(settings.drawn_domains)
        if domain is Domain.PROGRAMS:
            return rng.choice(settings.pool.of_split(split)).base
        size = settings.size or PROFILES[difficulty].size
        base = build_base(domain, size, settings.wording_of(difficulty), rng)
        if split_of(base.program) is split:
            return base
