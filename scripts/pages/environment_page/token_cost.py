"""What an observation costs in tokens, per difficulty and rendering. Called by document_environment.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles

from lit_grpo.data.benchmark import read_benchmark
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.splits import Cell, Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.actions import GetConflict, Move, render
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.observation import ObservationStyle, instructions
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.solver.solver import Solver

NUM_TINY = 100
TASKS_PER_CELL = 20


def tasks_by_size(suite: Path, cells: Sequence[Cell], solver: Solver) -> dict[str, list[Task]]:
    """Tasks of two variables, and those of each difficulty, of all kinds alike."""
    tiny = TaskSettings(size=ProgramSize.TINY)
    tasks = {"TINY": [generate_task(tiny, Split.TEST, 0, index, solver) for index in range(NUM_TINY)]}
    for difficulty in Difficulty:
        files = [suite / cell.file_name for cell in cells if cell.difficulty is difficulty]
        tasks[difficulty.value] = [task for file in files for task in read_benchmark(file)[:TASKS_PER_CELL]]
    return tasks


def token_cost_text(tasks: Mapping[str, Sequence[Task]], conversation: ConversationFormat, solver: Solver) -> str:
    """A row per size and rendering, as Markdown."""
    lines = [
        "| tasks | | rendering | prompt: median | 95 % | most | an answer | the conflict again |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    for name, some in tasks.items():
        for style in ObservationStyle:
            costs = [_costs(task, style, conversation, solver) for task in some]
            prompts, answers, conflicts = zip(*costs, strict=True)
            figures = (median(prompts), quantiles(prompts, n=20)[-1], max(prompts), median(answers), median(conflicts))
            cells = " | ".join(f"{figure:.0f}" for figure in figures)
            lines.append(f"| {name} | {len(some)} | {style.value} | {cells} |")
    return "\n".join(lines) + "\n"


def _costs(
    task: Task, style: ObservationStyle, conversation: ConversationFormat, solver: Solver
) -> tuple[int, int, int]:
    """Tokens of the first prompt, of the right first answer, and of a turn that is answered with the conflict."""
    episode = RepairEpisode(task.problem, solver, EpisodeSettings(style=style))
    prompt = conversation.prompt_ids(instructions(style), episode.observation)
    answer = conversation.completion_ids(render(Move(task.fault.inverse[0], task.fault.faulty_elements)))
    shown = episode.step(render(Move(GetConflict()))).observation
    return len(prompt), len(answer), len(conversation.continuation_ids(shown, closed=True))
