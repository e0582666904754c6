"""What is hidden is hidden from all that a model reads: demonstrations, rollouts and evaluation.

1. Tokens of a demonstration, prompt and context alike, do not depend on a hidden specification or conflict.
2. Nor do those of a rollout, of one attempt (as in evaluation) or of several.
3. Both can be set from the command line, where a config is laid over another, and reach every part; so can the turns
   of an attempt in training alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml
from repair_rollouts import collect

from lit_grpo.cli import main
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.demonstrations import DemonstrationSettings, demonstrate
from lit_grpo.data.task import Task
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.programs.specification import Specification
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Conflict, ConflictMember, ConflictPart, Solution, Solver, Violation
from lit_grpo.rollout.settings import PlaySettings

RULES = [EpisodeSettings(undo_if_still_infeasible=True, style=style) for style in ObservationStyle]
WRONG_FIRST = DemonstrationSettings(share_with_wrong_tries=1.0, max_wrong_tries=3)
QUESTIONS = ('{"action":"get_conflict"}', '{"action":"restore"}', '{"action":"inspect","name":"x"}', "hm", "hm")


@dataclass
class MisleadingSolver:
    """HiGHS, except that every conflict is all of the rows, the other way round, and nothing is ever violated."""

    highs: HighsSolver = field(default_factory=HighsSolver)

    def solve(self, program: LinearProgram) -> Solution:
        return self.highs.solve(program)

    def conflict(self, program: LinearProgram) -> Conflict | None:
        return Conflict(tuple(ConflictMember(ConflictPart.ROW, row.name) for row in reversed(program.constraints)))

    def minimum_relaxation(self, program: LinearProgram) -> tuple[Violation, ...] | None:
        return ()


def retold(task: Task) -> Task:
    """The same task with every sentence about another element."""
    sentences = task.specification.sentences
    abouts = [sentence.about for sentence in (*sentences[1:], sentences[0])]
    moved = tuple(replace(sentence, about=about) for sentence, about in zip(sentences, abouts, strict=True))
    return replace(task, specification=Specification(moved))


@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.style)
def test_1_demonstrations(
    rules: EpisodeSettings, tasks: list[Task], solver: HighsSolver, conversation: ConversationFormat
) -> None:
    def shown(task: Task, rules: EpisodeSettings, solver: Solver) -> object:
        return demonstrate(task, conversation, solver, rules, WRONG_FIRST, seed=0)

    without_text, without_conflict = replace(rules, show_specification=False), replace(rules, show_conflict=False)
    for task in tasks:
        assert shown(retold(task), without_text, solver) == shown(task, without_text, solver)
        assert shown(retold(task), rules, solver) != shown(task, rules, solver)
        assert shown(task, without_conflict, MisleadingSolver()) == shown(task, without_conflict, solver)
        assert shown(task, rules, MisleadingSolver()) != shown(task, rules, solver)


@pytest.mark.parametrize("group_size", [1, 3])
@pytest.mark.parametrize("rules", RULES, ids=lambda rules: rules.style)
def test_2_rollouts(
    rules: EpisodeSettings,
    group_size: int,
    tasks: list[Task],
    solver: HighsSolver,
    conversation: ConversationFormat,
    scripted: Callable[..., ScriptedEngine],
) -> None:
    def ask(request: GenerationRequest) -> str:
        return QUESTIONS[request.seed % len(QUESTIONS)]

    def contexts(tasks: list[Task], rules: EpisodeSettings, solver: Solver) -> list[tuple[object, ...]]:
        settings = PlaySettings(group_size, SamplingSettings(1.0, 80), rules)
        groups = collect(tasks, scripted(ask), solver, conversation, settings)
        turns = [turn for group in groups for attempt in group.attempts for turn in attempt.turns]
        found: list[tuple[object, ...]] = [(group.prompt_ids,) for group in groups]
        found += [(turn.observation_ids, turn.text) for turn in turns]
        return found

    without_text, without_conflict = replace(rules, show_specification=False), replace(rules, show_conflict=False)
    others = [retold(task) for task in tasks]
    assert contexts(others, without_text, solver) == contexts(tasks, without_text, solver)
    assert contexts(others, rules, solver) != contexts(tasks, rules, solver)
    assert contexts(tasks, without_conflict, MisleadingSolver()) == contexts(tasks, without_conflict, solver)
    assert contexts(tasks, rules, MisleadingSolver()) != contexts(tasks, rules, solver)


def test_3_from_a_config_over_others(tmp_path: Path, tiny_checkpoint: Path) -> None:
    root, over = Path(__file__).parents[2] / "configs", tmp_path / "over.yaml"
    tree = {
        "episode": {"show_conflict": False, "show_specification": False},
        "rollout": {"group_size": 2, "max_turns": 1, "sampling": {"max_completion_tokens": 4}},
        "trainer": {"default_root_dir": str(tmp_path / "run"), "enable_progress_bar": False, "val_check_interval": 1},
        "model": {"init_args": {"policy": {"checkpoint": str(tiny_checkpoint)}}},
        "data": {
            "init_args": {
                "num_tasks": 1,
                "batches_per_epoch": 1,
                "held_out": {"num_validation_tasks": 1, "num_test_tasks": 1},
                "replay": {
                    "num_demonstrations": 2,
                    "batch_size": 1,
                    "demonstrations": {},
                    "tokenizer": str(tiny_checkpoint),
                },
            }
        },
    }
    over.write_text(yaml.safe_dump(tree), encoding="utf-8")
    configs = [root / "quickstart" / "base.yaml", root / "quickstart" / "grpo.yaml", over]
    assert main(["fit", *(f"--config={path}" for path in configs)]) == 0
    run = tmp_path / "run"
    files = (run / "episodes.jsonl", run / "validation" / "batch_000000" / "episodes.jsonl")
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert '"observation"' in text
        assert " | " not in text, "a sentence stands behind a bar"
        assert "\\n* " not in text
        assert '"observation": "* ' not in text
    # A random model is malformed in every turn: attempts of one in training, of all five in evaluation.
    turns = {file: [len(json.loads(line)["turns"]) for line in file.read_text().splitlines()] for file in files}
    assert list(turns.values()) == [[1, 1], [5]]
