"""The files of a run folder: exact, stable, and strict when read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_grpo.environment.faults.injection import Difficulty, FaultKind
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.records import ScoredTask, merge_scored_tasks, read_scores, write_scores
from lit_grpo.metrics.results import read_played, read_results, require_comparable, results_of, summarise, write_run
from lit_grpo.metrics.table import score_table


def test_1_scores_are_read_back_exactly(tmp_path: Path, four_tasks: list[ScoredTask]) -> None:
    write_scores(tmp_path / "scores.jsonl", four_tasks)
    assert read_scores(tmp_path / "scores.jsonl") == tuple(four_tasks)


def test_2_a_task_written_twice_is_refused(tmp_path: Path, four_tasks: list[ScoredTask]) -> None:
    with pytest.raises(ValueError, match="'a1' twice"):
        write_scores(tmp_path / "scores.jsonl", [*four_tasks, four_tasks[0]])


@pytest.mark.parametrize("line", ["{", "[]", '{"task_id": "x"}', "null"])
def test_3_a_line_that_is_no_record_is_named(tmp_path: Path, four_tasks: list[ScoredTask], line: str) -> None:
    path = tmp_path / "scores.jsonl"
    write_scores(path, four_tasks[:1])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=r"scores.jsonl:2: expected a record"):
        read_scores(path)


@pytest.mark.parametrize(("content", "expected"), [(b"", "got an empty file"), (b"\xff\xfe", "got no text in UTF-8")])
def test_3_a_file_without_records(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "scores.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=expected):
        read_scores(tmp_path / "scores.jsonl")


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"{", "got Expecting .* in line 1"), (b"[]", "to be an object, got"), (b"\xff", "got no text in UTF-8")],
)
def test_3_results_that_are_none(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "results.json").write_bytes(content)
    for read in (read_results, read_played, lambda folder: require_comparable([folder])):
        with pytest.raises(ValueError, match=rf"results.json.*{expected}"):
            read(tmp_path)
    assert read_results(tmp_path / "nowhere") is None


def test_4_merging_shards_keeps_each_task_once_and_sorts(scored_task: Callable[..., ScoredTask]) -> None:
    first, other = scored_task("b", turns=1), scored_task("b", turns=5)
    assert merge_scored_tasks([[first], [scored_task("a"), other]]) == (scored_task("a"), first)


def test_5_the_same_scores_give_the_same_bytes_in_any_order(tmp_path: Path, four_tasks: list[ScoredTask]) -> None:
    write_run(tmp_path / "one", four_tasks, results_of(four_tasks))
    write_run(tmp_path / "two", four_tasks[::-1], results_of(four_tasks[::-1]))
    for name in ("results.json", "scores.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_6_results_hold_every_quantity_overall_and_in_parts(tmp_path: Path, four_tasks: list[ScoredTask]) -> None:
    write_run(tmp_path, four_tasks, results_of(four_tasks, BootstrapSettings(50)), BootstrapSettings(50))
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["tasks"] == 4
    assert list(document["metrics"]) == [quantity.value for quantity in Quantity]
    assert {kind: part["tasks"] for kind, part in document["by_kind"].items()} == {"A": 3, "D": 1}
    # Two of kind A are easy and both recovered, one of them faithfully.
    easy = document["by_kind_and_difficulty"]["A"]["easy"]
    assert easy["tasks"] == 2
    assert easy["metrics"]["RR@5"]["value"] == 1.0
    assert easy["metrics"]["FR@5"]["value"] == 0.5
    assert document["by_kind_and_difficulty"]["A"]["hard"]["metrics"]["turns"] == {
        "value": None,
        "low": None,
        "high": None,
        "has_few_tasks": True,
    }


def test_7_a_kinds_diagnosis_is_its_own_mean(four_tasks: list[ScoredTask]) -> None:
    results = summarise(score_table(four_tasks), BootstrapSettings(50))
    # (1 + 2/3 + 0) / 3
    assert results.by_kind[FaultKind.SENSE].value(Quantity.DIAGNOSIS_F1) == pytest.approx(5 / 9, abs=1e-12)
    assert list(results.by_cell[FaultKind.SENSE]) == [Difficulty.EASY, Difficulty.HARD]


def test_7_a_difficultys_tasks_of_all_kinds(four_tasks: list[ScoredTask]) -> None:
    results = summarise(score_table(four_tasks), BootstrapSettings(50))
    for difficulty, summary in results.by_difficulty.items():
        scores = [scored.score for scored in four_tasks if scored.difficulty is difficulty]
        assert summary.num_tasks == len(scores) > 0
        assert summary.value(Quantity.FR_5) == sum(score.faithful for score in scores) / len(scores)
    assert sum(summary.num_tasks for summary in results.by_difficulty.values()) == 4


def test_7b_a_difficultys_diagnosis_is_a_mean_over_kinds(scored_task: Callable[..., ScoredTask]) -> None:
    """Easy: three of kind A, all right, and one of D, wrong: (1 + 0) / 2, though D has a hard task as well."""
    wrong = (0.0, 0.0, 0.0, False)
    tasks = [scored_task(f"a{i}") for i in range(3)]
    tasks += [scored_task("d0", FaultKind.RIGHT_HAND_SIDE, diagnosis=wrong)]
    tasks += [scored_task("d1", FaultKind.RIGHT_HAND_SIDE, Difficulty.HARD)]
    results = summarise(score_table(tasks), BootstrapSettings(50))
    assert results.by_difficulty[Difficulty.EASY].value(Quantity.DIAGNOSIS_F1) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(("num_tasks", "has_few"), [(9, True), (10, False)])
def test_7c_fewer_than_ten_tasks_are_marked(
    scored_task: Callable[..., ScoredTask], tmp_path: Path, num_tasks: int, has_few: bool
) -> None:
    tasks = [scored_task(f"a{i}") for i in range(num_tasks)]
    results = results_of(tasks, BootstrapSettings(50))
    assert results.overall.estimates[Quantity.FR_5].has_few_tasks is has_few
    write_run(tmp_path, tasks, results, BootstrapSettings(50))
    document = json.loads((tmp_path / "results.json").read_text())
    assert ("has_few_tasks" in document["metrics"]["FR@5"]) is has_few


def test_7d_results_of_other_versions_are_not_compared(four_tasks: list[ScoredTask], tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("one", "other")]
    for run in runs:
        write_run(run, four_tasks, results_of(four_tasks))
    require_comparable([*runs, tmp_path / "none"])
    path = runs[1] / "results.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"versions": document["versions"] | {"verdict": 77}}))
    with pytest.raises(ValueError, match=r"other/results\.json: expected verdict \d+, got verdict 77; evaluate all"):
        require_comparable(runs)
    path.write_text(json.dumps({key: value for key, value in document.items() if key != "versions"}))
    with pytest.raises(ValueError, match=r"other/results\.json: expected versions rendering, grammar"):
        require_comparable(runs)


def test_8_no_scores_have_no_results() -> None:
    with pytest.raises(ValueError, match="at least one scored task"):
        summarise(score_table([]), BootstrapSettings())
