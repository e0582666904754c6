"""SFT, GRPO and a test on programs of one's own, with the commands and the model that the domains are learned with.

1. examples/cutting_stock from the tiny base: nothing of its test programs is in training, the test plays those alone.
2. A folder with programs that cannot be used ends the command before anything is trained, a line for each of them.
3. The program that writes the example writes what lies there.
"""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lit_grpo.cli import main
from lit_grpo.data.played import Played
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.faults.fault_kinds import PLAIN_KINDS
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.metrics.records import read_scores

ROOT = Path(__file__).parents[2]
OWN = ROOT / "examples" / "cutting_stock"
COMMON = [
    *("--config=base", "{method}", "--config=model/tiny", "--config=hardware/cpu", "--config=tasks/own_programs"),
    *(f"--data.tasks.programs={OWN}", "--data.held_out={num_validation_tasks: 2, num_test_tasks: 4}"),
    *("--trainer.val_check_interval=1.0", "--trainer.check_val_every_n_epoch=1", "--trainer.num_sanity_val_steps=0"),
    *("--episode.max_turns=2", "--rollout.sampling.max_completion_tokens=16"),
]


def words(method: str, *more: str) -> list[str]:
    return [word.format(method=f"--config={method}") for word in COMMON[:5]] + COMMON[5:] + list(more)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def test_1_a_policy_is_trained_and_tested_on_them(tmp_path: Path) -> None:
    sft, grpo = tmp_path / "sft", tmp_path / "grpo"
    small = ("--data.batches_per_epoch=2", "--data.num_demonstrations=4", "--data.batch_size=4")
    assert main(["fit", *words("sft", *small, f"--trainer.default_root_dir={sft}")]) == 0
    small = ("--data.batches_per_epoch=2", "--data.num_tasks=3", "--rollout.group_size=2")
    policy = f"--model.policy.checkpoint={sft / 'policy'}"
    assert main(["fit", *words("grpo", *small, policy, f"--trainer.default_root_dir={grpo}")]) == 0
    policy = f"--model.policy.checkpoint={grpo / 'policy'}"
    tested = tmp_path / "tested"
    assert main(["test", *words("grpo", policy, f"--trainer.default_root_dir={tested}")]) == 0

    settings = TaskSettings(kinds=dict.fromkeys(PLAIN_KINDS, 1.0), programs=OWN)
    trained_on = {json.loads(line)["task_id"] for line in (grpo / "episodes.jsonl").read_text().splitlines()}
    stream = {f"{generate_task(settings, Split.TRAIN, 0, at, HighsSolver()).id} task {at}" for at in range(6)}
    assert trained_on
    assert trained_on <= stream
    scores = read_scores(tested / "scores.jsonl")
    assert {scored.domain for scored in scores} == {"programs"}
    played = Played.from_json(json.loads((tested / "results.json").read_text())["played"], "results.json")
    tasks = played.read_tasks()
    assert sorted(task.id for task in tasks) == sorted(scored.task_id for scored in scores)
    test_programs = {program.own.program for program in settings.pool.of_split(Split.TEST)}
    assert {task.fault.original for task in tasks} <= test_programs


def test_2_what_cannot_be_used_ends_the_command_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "own"
    shutil.copytree(OWN, folder)
    contradiction = (folder / "week_03.lp").read_text().replace("bounds", " more: x >= 1000\nbounds")
    (folder / "week_03.lp").write_text(contradiction)
    (folder / "week_07.txt").unlink()
    run = tmp_path / "run"
    arguments = words("sft", f"--data.tasks.programs={folder}", f"--trainer.default_root_dir={run}")
    assert main(["fit", *arguments]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert f"{folder / 'week_03.lp'}: expected an optimum, got infeasible; `lit-grpo explain" in first
    assert second.startswith(f"{folder / 'week_07.txt'}: expected a text that says what the program means")
    assert not list(run.rglob("metrics.csv"))


def test_3_the_example_is_what_its_program_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["make_cutting_stock.py", "--output", str(tmp_path)])
    runpy.run_path(str(ROOT / "examples" / "make_cutting_stock.py"))
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert len(written) == 40
    assert written == {path.name: path.read_text() for path in OWN.iterdir()}
