"""A suite of given tasks, with its manifest: what `make_suite` would leave behind if it drew just these."""

import json
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.data.benchmark import task_to_record
from lit_grpo.data.manifest import Manifest, SuiteSettings
from lit_grpo.data.task import Task


def write_small_suite(folder: Path, tasks: Sequence[Task]) -> Path:
    """Every kind at every difficulty that occurs among the tasks, alike in number."""
    folder.mkdir(exist_ok=True)
    kinds, difficulties = ({getattr(t.fault, name): None for t in tasks} for name in ("kind", "difficulty"))
    settings = SuiteSettings(tuple(kinds), tuple(difficulties), len(tasks) // (len(kinds) * len(difficulties)))
    manifest = Manifest(folder, settings, {})
    for cell in settings.cells:
        members = [t for t in tasks if (t.fault.kind, t.fault.difficulty) == cell]
        assert len(members) == settings.num_tasks
        manifest.write(cell, [json.dumps(task_to_record(t), ensure_ascii=False) for t in members])
    return folder
