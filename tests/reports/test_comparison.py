"""`comparison.json`: its shape, its arithmetic, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import Quantity
from lit_grpo.reports.comparison import Comparison, Pair, compare, comparison_json, standard_pairs, write_comparison
from lit_grpo.reports.runs import find_seed_runs

Folder = Callable[..., Path]
CHEAP = BootstrapSettings(num_replicates=200)


def compared(root: Path) -> Comparison:
    runs = find_seed_runs(root)
    return compare(runs, standard_pairs(runs[0], "sft_grpo"), CHEAP)


def test_1_the_document_has_the_documented_shape(comparison_folder: Folder) -> None:
    document = comparison_json(compared(comparison_folder()))
    assert document["tasks"] == 240
    assert list(document["arms"]) == ["sft", "sft_compute_matched", "sft_grpo"]
    assert set(document["baselines"]) == {"drop-first", "informed-random", "minimum-relaxation", "oracle"}
    for arm in (*document["arms"].values(), *document["baselines"].values()):
        assert set(arm["metrics"]) == {quantity.value for quantity in Quantity}
        assert isinstance(arm["metrics"]["FR@5"], float)
        assert set(arm["by_kind"]) == {"A", "B", "C", "D"}
        assert arm["intervals"]["FR@1"][0] <= arm["metrics"]["FR@1"] <= arm["intervals"]["FR@1"][1]
    differences = document["paired_differences"]
    assert set(differences) == {"sft_grpo-sft", "sft_grpo-sft_compute_matched", "sft_grpo-informed-random"}
    assert set(differences["sft_grpo-sft"]["FR@5"]) == {"value", "low", "high"}
    assert set(document["paired_differences_by_kind"]["sft_grpo-sft"]) == {"A", "B", "C", "D"}


def test_2_a_difference_is_the_difference_of_the_values(comparison_folder: Folder) -> None:
    document = comparison_json(compared(comparison_folder()))
    better, base = document["arms"]["sft_grpo"], document["arms"]["sft"]
    overall = document["paired_differences"]["sft_grpo-sft"]["FR@5"]
    assert overall["value"] == pytest.approx(better["metrics"]["FR@5"] - base["metrics"]["FR@5"], abs=2e-6)
    assert overall["low"] < overall["value"] < overall["high"]
    kind_c = document["paired_differences_by_kind"]["sft_grpo-sft"]["C"]["FR@5"]
    expected = better["by_kind"]["C"]["FR@5"] - base["by_kind"]["C"]["FR@5"]
    assert kind_c["value"] == pytest.approx(expected, abs=2e-6)


def test_3_several_seeds_are_pooled_and_stand_one_by_one(comparison_folder: Folder) -> None:
    document = comparison_json(compared(comparison_folder(num_seeds=3, num_tasks=120)))
    seeds = document["seeds"]
    assert list(seeds) == ["seed-0", "seed-1", "seed-2"]
    each = [seed["paired_differences"]["sft_grpo-sft"]["FR@5"]["value"] for seed in seeds.values()]
    # All seeds have the same tasks, so the pooled difference is the seeds' mean.
    assert document["paired_differences"]["sft_grpo-sft"]["FR@5"]["value"] == pytest.approx(sum(each) / 3, abs=2e-6)
    assert document["tasks"] == 120


def test_4_one_seed_is_its_own_pool(comparison_folder: Folder) -> None:
    comparison = compared(comparison_folder(num_tasks=60))
    (profiles,) = comparison.by_seed.values()
    assert profiles == comparison.pooled


def test_5_the_same_scores_give_the_same_bytes(comparison_folder: Folder, tmp_path: Path) -> None:
    root = comparison_folder(num_tasks=60)
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in paths:
        write_comparison(path, compared(root))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert json.loads(paths[0].read_text())["confidence"] == 0.95


def test_6_an_arm_on_fewer_tasks_is_refused(comparison_folder: Folder) -> None:
    root = comparison_folder(num_tasks=60)
    scores = root / "arms/sft/scores.jsonl"
    scores.write_text("\n".join(scores.read_text().splitlines()[1:]) + "\n")
    with pytest.raises(ValueError, match="on the same tasks as 'sft'"):
        compared(root)


def test_7_unknown_arms_and_unequal_seeds_are_refused(comparison_folder: Folder) -> None:
    runs = find_seed_runs(comparison_folder(num_seeds=2, num_tasks=24))
    with pytest.raises(ValueError, match=r"got \['sft_gpro'\]"):
        compare(runs, [Pair("sft_gpro", "sft")], CHEAP)
    (runs[1].arms["sft"] / "scores.jsonl").unlink()
    (runs[1].arms["sft"] / "results.json").unlink()
    runs[1].arms["sft"].rmdir()
    runs = find_seed_runs(runs[0].arms["sft"].parents[2])
    with pytest.raises(ValueError, match="in 'seed-1'"):
        compare(runs, [], CHEAP)


def test_8_a_folder_without_arms_or_an_arm_without_scores_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got none; evaluate it"):
        find_seed_runs(tmp_path)
    (tmp_path / "arms/sft").mkdir(parents=True)
    with pytest.raises(ValueError, match="evaluate 'sft' before comparing"):
        find_seed_runs(tmp_path)
