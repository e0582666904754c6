"""`lit-grpo report` on folders of one's own.

1. Folders under any names are compared: values, paired differences, both per kind, as counted from the scores.
2. The policies that need no model play the same tasks by the same rules, once; a second report takes what is there.
3. A name that comes again is another seed; without names, folders are called what tells them apart.
4. A folder of folders with results is compared as well, and gets the report.
5. What cannot be compared is refused in one line that says what to change; without the trivial policies nothing has to
   be known of the tasks.
6. Arms that were played by different rules are compared, and it is said.
7. What an evaluation says it played is what it played, in JSON and back.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lit_grpo.commands.main import main
from lit_grpo.data.benchmark import write_benchmark
from lit_grpo.data.datamodule import TaskDataModule
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.data.played import GeneratedTasks, Played
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.domains.base import Domain, ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.environment.policies.baselines import BASELINES
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.metrics.records import ScoredTask, read_scores
from lit_grpo.metrics.results import results_of, write_run
from lit_grpo.reports.policies import scores_of

RULES = EpisodeSettings(undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)
PLAYED = Played(GeneratedTasks(TaskSettings(size=ProgramSize.TINY), Split.TEST, seed=3, num_tasks=10), RULES)


@pytest.fixture(scope="module")
def scores() -> Mapping[str, list[ScoredTask]]:
    """Those of every trivial policy on ten tiny tasks."""
    tasks, solver = PLAYED.read_tasks(), HighsSolver()
    return {policy.name: scores_of(policy, tasks, solver, RULES, seed=0) for policy in BASELINES}


def write(folder: Path, scored: list[ScoredTask], played: Played | None = PLAYED) -> str:
    write_run(folder, scored, results_of(scored), played=played)
    return str(folder)


def share(scored: list[ScoredTask], kind: str | None = None) -> float:
    counted = [task.score.faithful for task in scored if kind is None or task.kind.value == kind]
    return sum(counted) / len(counted)


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["report", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_1_and_2_any_folders_and_the_trivial_policies(scores: Mapping[str, list[ScoredTask]], tmp_path: Path) -> None:
    low, high = scores["drop-first"], scores["informed-element"]
    arms = [write(tmp_path / "monday" / "cautious", low), write(tmp_path / "tuesday" / "bold", high)]
    output = tmp_path / "report"
    assert main(["report", *arms, "--output", str(output)]) == 0
    document = json.loads((output / "comparison.json").read_text())
    assert list(document["arms"]) == ["cautious", "bold"]
    assert set(document["baselines"]) == {policy.name for policy in BASELINES}
    for name, expected in scores.items():
        assert document["baselines"][name]["metrics"]["FR@5"] == pytest.approx(share(expected), abs=1e-6)
        assert set(read_scores(output / "baselines" / name / "scores.jsonl")) == set(expected)
    names = ["bold-cautious", "cautious-informed-random", "bold-informed-random"]
    assert list(document["paired_differences"]) == names
    difference = document["paired_differences"]["bold-cautious"]["FR@5"]
    assert difference["value"] == pytest.approx(share(high) - share(low), abs=1e-6)
    assert difference["low"] <= difference["value"] <= difference["high"]
    for kind, quantities in document["paired_differences_by_kind"]["bold-cautious"].items():
        assert quantities["FR@5"]["value"] == pytest.approx(share(high, kind) - share(low, kind), abs=1e-6)
    report = (output / "report.md").read_text()
    for expected in ("bold − cautious", "FR@5 per kind of fault", "Paired differences of FR@5 per kind", arms[0]):
        assert expected in report
    figures = {path.name for path in (output / "figures").iterdir()}
    assert {"arms.png", "arms.pdf", "cells.png", "cells.pdf"} <= figures

    made = {path: path.stat().st_mtime_ns for path in output.glob("baselines/*/scores.jsonl")}
    assert main(["report", *arms, "--output", str(output), "--candidate", "cautious"]) == 0
    assert made == {path: path.stat().st_mtime_ns for path in output.glob("baselines/*/scores.jsonl")}
    again = json.loads((output / "comparison.json").read_text())
    assert list(again["paired_differences"]) == ["cautious-bold", "cautious-informed-random"]


def test_3_names_and_seeds(scores: Mapping[str, list[ScoredTask]], tmp_path: Path) -> None:
    folders = [
        write(tmp_path / name, scores[policy]) for name, policy in (("a/test", "drop-first"), ("b/test", "oracle"))
    ]
    others = [write(tmp_path / name, scores["informed-random"]) for name in ("c/test", "d/test")]
    words = ["--no-baselines", "--output", str(tmp_path / "report")]
    assert main(["report", *folders, *words]) == 0
    assert list(json.loads((tmp_path / "report/comparison.json").read_text())["arms"]) == ["a", "b"]
    seeds = [*(f"mine={folder}" for folder in folders), *(f"theirs={folder}" for folder in others)]
    assert main(["report", *seeds, *words]) == 0
    document = json.loads((tmp_path / "report/comparison.json").read_text())
    assert list(document["seeds"]) == ["seed 1", "seed 2"]
    mean = (share(scores["drop-first"]) + share(scores["oracle"])) / 2
    assert document["arms"]["mine"]["metrics"]["FR@5"] == pytest.approx(mean, abs=1e-6)


def test_4_a_folder_of_arms(scores: Mapping[str, list[ScoredTask]], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, scores["informed-random"])
    for _ in range(2):  # the second time its own baselines lie there
        assert main(["report", str(tmp_path)]) == 0
        document = json.loads((tmp_path / "comparison.json").read_text())
        assert list(document["arms"]) == ["one", "two"]
        assert document["paired_differences"]["two-one"]["FR@5"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_5_what_cannot_be_compared(
    scores: Mapping[str, list[ScoredTask]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored = scores["informed-random"]
    one, two = write(tmp_path / "one", scored), write(tmp_path / "two", scored)
    fewer, silent = write(tmp_path / "fewer", scored[1:]), write(tmp_path / "silent", scored, played=None)
    other = replace(PLAYED, tasks=replace(PLAYED.tasks, seed=4))  # pyright: ignore[reportArgumentType]
    moved = write(tmp_path / "moved", scored, played=other)
    write(tmp_path / "fitted" / "validation", scored)
    output, a_file = ["--output", str(tmp_path / "report")], tmp_path / "file"
    a_file.write_text("no folder")
    assert "on the same tasks as 'one'" in refusal([one, fewer, "--no-baselines", *output], capsys)
    assert "expected what was played" in refusal([silent, one, *output], capsys)
    assert "expected the 10 tasks that were scored, got 10 of which 0 are" in refusal([moved, one, *output], capsys)
    assert f"{one} twice" in refusal([one, one, *output], capsys)
    assert "as many training seeds of each arm" in refusal([f"x={one}", f"x={two}", f"y={silent}", *output], capsys)
    assert "expected one of the arms one, two, got 'three'" in refusal([one, two, "--candidate", "three"], capsys)
    assert "name " + str(tmp_path / "fitted" / "validation") in refusal([one, str(tmp_path / "fitted")], capsys)
    assert f"got {a_file}, which is a file; name the folder" in refusal([one, str(a_file)], capsys)
    assert f"got {a_file}, which is a file; name the folder" in refusal([str(a_file)], capsys)
    assert f"{a_file}: expected a place to read or write, got: " in refusal(
        [one, two, "--no-baselines", "--output", str(a_file)], capsys
    )
    assert "expected FOLDER or NAME=FOLDER" in refusal([f"={one}", two], capsys)
    assert "expected other names than oracle" in refusal([f"oracle={one}", two, *output], capsys)
    assert main(["report", silent, one, "--no-baselines", *output]) == 0
    suite = tmp_path / "tasks.jsonl"
    write_benchmark(suite, PLAYED.read_tasks())  # pyright: ignore[reportArgumentType]
    assert main(["report", moved, one, "--suite", str(suite), *output]) == 0


def test_6_different_rules_are_said(
    scores: Mapping[str, list[ScoredTask]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(PLAYED, rules=replace(RULES, max_turns=3))
    arms = [write(tmp_path / "five", scores["oracle"]), write(tmp_path / "three", scores["oracle"], other)]
    assert main(["report", *arms, "--no-baselines", "--output", str(tmp_path / "report")]) == 0
    said = "The arms were not played by the same rules: max_turns is 5 in five, 3 in three."
    assert said in capsys.readouterr().out
    assert said in (tmp_path / "report/report.md").read_text()


def test_7_what_was_played_there_and_back() -> None:
    weights = {FaultKind.SENSE: 1.0, FaultKind.RIGHT_HAND_SIDE: 0.5}
    settings = TaskSettings(size=ProgramSize.SMALL, kinds=weights, domains=(Domain.BLENDING,))
    for tasks in (GeneratedTasks(settings, Split.VALIDATION, 7, 12), Path("runs/suite"), PLAYED.tasks):
        played = Played(tasks, RULES)
        assert Played.from_json(json.loads(json.dumps(played.to_json())), "here") == played
    with pytest.raises(ValueError, match="here: expected what was played"):
        Played.from_json({"suite": "x"}, "here")


def test_7_a_data_module_says_what_it_hands_out() -> None:
    held_out = HeldOutSettings(num_validation_tasks=3, num_test_tasks=4, seed=9)
    data = TaskDataModule(TaskSettings(size=ProgramSize.TINY), held_out)
    for split, loader in ((Split.TEST, data.test_dataloader), (Split.VALIDATION, data.val_dataloader)):
        data.ranks = lambda: (0, 1)
        handed_out = [task.id for batch in loader() for task in batch.tasks]
        assert [task.id for task in data.played(split, RULES).read_tasks()] == handed_out
    held_out = replace(held_out, benchmark=Path("runs/suite"))
    data = TaskDataModule(TaskSettings(size=ProgramSize.TINY), held_out)
    assert data.played(Split.TEST, RULES).tasks == Path("runs/suite")
    assert data.played(Split.VALIDATION, RULES).tasks != Path("runs/suite")
