"""What an arm's training was like, read from its run folder.

1. Means and sums are those worked by hand; the reward is that of the last quarter.
2. Supervised training has neither reward nor clipping, and the table says none.
3. Over seeds the mean is taken; where one lacks a number there is none.
4. Where no token was clipped the table says that clip ranges are the same by construction, and only there.
5. A file of the folder that is broken is named, those that hold a run's results included.
"""

import json
from pathlib import Path

import pytest

from lit_grpo.fitting.made_with import require_same_evaluation
from lit_grpo.metrics.policy_shift import PolicyShift, write_shift
from lit_grpo.reports.training import COLUMNS, TrainingRecord, mean_record, read_training, training_table


def folder_with(path: Path, rows: list[str], cpu_s: float = 10.0) -> Path:
    path.mkdir()
    (path / "metrics.csv").write_text("\n".join(rows) + "\n")
    (path / "compute.json").write_text(json.dumps({"fit_cpu_s": cpu_s, "fit_wall_s": 20.0}))
    write_shift(path, PolicyShift(kl_k1=0.09, kl_k3=0.1, entropy=0.3, num_tokens=5, num_episodes=1))
    return path


GRPO = [
    "batch,rollout/reward,rollout/std_within_groups,rollout/groups_with_signal,train/clipped,train/tokens,val/FR@5",
    "0,0.1,0.2,0.5,0.0,100,",
    "4,0.2,0.4,0.5,0.02,100,",
    "8,0.3,,0.0,0.0,0,0.5",
    "12,0.4,0.3,1.0,0.02,200,",
    "16,0.8,0.3,0.5,0.01,100,",
]


def test_1_worked_by_hand(tmp_path: Path) -> None:
    record = read_training(folder_with(tmp_path / "grpo", GRPO))
    assert record.reward == pytest.approx(0.6)  # the last two of five: 0.4 and 0.8
    assert record.spread == pytest.approx(0.3)  # 0.2, 0.4, 0.3, 0.3
    assert record.groups_with_signal == pytest.approx(0.5)
    assert record.clipped == pytest.approx(0.01)
    assert (record.batches, record.tokens, record.kl, record.entropy) == (5, 500, 0.1, 0.3)
    assert (record.cpu_s, record.wall_s) == (10.0, 20.0)


def test_2_supervised_training(tmp_path: Path) -> None:
    record = read_training(folder_with(tmp_path / "sft", ["batch,train/loss,train/tokens", "0,1.0,50", "1,0.5,70"]))
    assert (record.reward, record.clipped, record.tokens) == (None, None, 120)
    both = training_table({"sft": record, "grpo": read_training(folder_with(tmp_path / "grpo", GRPO))})
    assert both.columns == ("", *COLUMNS.values(), "remark")
    texts = dict(zip(both.columns, (cell.text for cell in both.rows[0].cells), strict=True))
    assert (texts["reward"], texts["clipped tokens"], texts["KL to start"], texts["remark"]) == (
        "none",
        "none",
        "0.100",
        "",
    )


def test_2_a_number_that_no_arm_has_is_no_column() -> None:
    without = dict.fromkeys(("reward", "spread", "groups_with_signal", "clipped", "kl", "entropy"))
    table = training_table({"sft": record(**without)})
    assert table.columns == ("", "tokens", "CPU s", "wall s", "remark")
    assert "KL" not in table.title


def record(**changes: float | None) -> TrainingRecord:
    values = dict.fromkeys(("reward", "spread", "groups_with_signal", "clipped", "kl", "entropy", "tokens"), 0.5)
    return TrainingRecord(batches=5, **values | {"cpu_s": 1.0, "wall_s": 1.0} | changes)  # pyright: ignore[reportArgumentType]


def test_3_over_seeds() -> None:
    mean = mean_record([record(reward=0.2, kl=None), record(reward=0.6)])
    assert mean.reward == pytest.approx(0.4)
    assert mean.kl is None
    assert mean.batches == 5


def test_4_identical_by_construction() -> None:
    rows = training_table({"one update": record(clipped=0.0), "four": record(clipped=1e-6)}).rows
    assert [row.cells[-1].text for row in rows] == ["no token clipped: clip ranges identical by construction", ""]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("compute.json", "{", r"compute\.json: expected a JSON object, got .* in line 1; "),
        ("compute.json", "[]", r"expected .*compute\.json to be an object, got \[\]"),
        ("compute.json", '{"fit_cpu_s": 1.0}', r"compute\.json: expected the key fit_wall_s, got fit_cpu_s; "),
        ("policy_shift.json", '{"kl_k1"', r"policy_shift\.json: expected a JSON object, got .* in line 1; "),
        ("results.json", '{"made_with": ', r"results\.json: expected a JSON object, got .* in line 1; "),
    ],
)
def test_5_a_broken_file_is_named(name: str, text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "compute.json").write_text('{"fit_cpu_s": 1.0, "fit_wall_s": 1.0}')
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"^[^\n]*{expected}[^\n]*$"):
        require_same_evaluation(tmp_path, {}) if name == "results.json" else read_training(tmp_path)
