"""The command line, as a user meets it.

1. What a user gets wrong is one line on stderr and exit status 2: an unknown key with its whole path and the nearest
   name, also deep inside, in a list and on the command line; a file that is not there; a number that makes no sense; a
   batch that the ranks cannot share; a run folder that has a run in it.
2. `fit`, `validate`, `test` and `predict` run; a run folder has its config, metrics, episodes, results and the policy.
3. `--ckpt_path` goes on in the same folder, and nothing written before is lost.
4. `predict` explains a user's program before it reads weights, and reads none where there is nothing to repair: exit
   status 0. It ends with 1 where no repair is recommended, and with 2 where a file is refused.
5. A fit that is told to end by Ctrl-C or SIGTERM, in a batch or before the first one, does not say by its exit status
   that it was done; called again it is.
"""

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.callbacks import Callback
from typing_extensions import override

from lit_grpo.cli import main

CONFIGS = Path(__file__).parents[1] / "configs"


def config(folder: Path, tiny_checkpoint: Path) -> dict:
    """A GRPO run of two batches."""
    return {
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "default_root_dir": str(folder / "run"),
            "max_epochs": 1,
            "log_every_n_steps": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "callbacks": [
                {"class_path": "RolloutCallback", "init_args": {}},
                {"class_path": "RepairEvaluation"},
                {"class_path": "ModelCheckpoint", "init_args": {"save_last": True}},
                {"class_path": "ExportPolicy"},
            ],
        },
        "episode": {"max_turns": 2, "style": "COMPACT"},
        "rollout": {"group_size": 2, "sampling": {"max_completion_tokens": 4}},
        "model": {
            "class_path": "GRPOModule",
            "init_args": {
                "policy": {"checkpoint": str(tiny_checkpoint)},
                "objective": {"loss": {"class_path": "ClippedLoss"}},
            },
        },
        "data": {
            "class_path": "TaskDataModule",
            "init_args": {
                "tasks": {"size": "TINY", "kinds": {"A": 1.0, "D": 1.0}},
                "held_out": {"num_validation_tasks": 3, "num_test_tasks": 3},
                "num_tasks": 2,
                "batches_per_epoch": 2,
            },
        },
    }


class Told(Callback):
    """Tells its own process to end, once."""

    def __init__(self, number: int, before_training: bool) -> None:
        self.number, self.before_training = number, before_training

    def _tell(self) -> None:
        if self.number:
            os.kill(os.getpid(), self.number)
        self.number = 0

    @override
    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:
        if self.before_training:
            self._tell()

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if not self.before_training:
            self._tell()


def write(tree: dict, folder: Path) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return str(path)


@pytest.fixture
def tree(tmp_path: Path, tiny_checkpoint: Path) -> dict:
    return config(tmp_path, tiny_checkpoint)


def complaint(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main(arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-grpo: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("trainr",), "trainr: expected a known key, got 'trainr'; did you mean 'trainer'?"),
        (("trainer", "max_epoch"), "trainer.max_epoch: expected a known key, got 'max_epoch'; did you mean"),
        (("model", "init_args", "optimizer", "lerning_rate"), "model.init_args.optimizer.lerning_rate: expected"),
        (("data", "init_args", "tasks", "sise"), "data.init_args.tasks.sise: expected a known key, got 'sise'"),
        (("trainer", "callbacks", 0, "init_args", "seeds"), "trainer.callbacks[0].init_args.seeds: "),
        (
            ("rollout", "group_sise"),
            "rollout.group_sise: expected a known key, got 'group_sise'; did you mean 'group_size'?",
        ),
        (("rollout", "sampling", "temprature"), "rollout.sampling.temprature: expected a known key"),
        (("episode", "max_turn"), "episode.max_turn: expected a known key, got 'max_turn'; did you mean 'max_turns'?"),
    ],
)
def test_an_unknown_key_is_named_with_its_path(
    tree: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: tuple, expected: str
) -> None:
    node = tree
    for key in keys[:-1]:
        node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
    node[keys[-1]] = 1
    line = complaint(capsys, ["fit", "--config", write(tree, tmp_path)])
    assert expected in line
    assert "did you mean" in line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--model.optimizer.lerning_rate", "1"], "did you mean 'learning_rate'?"),
        (["--model.optimizer.learning_rat", "1"], "did you mean 'learning_rate'?"),
        (["--model.optimizer.learning_rate", "fast"], "model.optimizer.learning_rate: expected a number, got 'fast'"),
        (["--model.optimizer.learning_rate", "-1"], "expected learning rates of at least 0"),
        (["--model.policy.checkpoint", "nowhere"], "got nowhere"),
        (["--data.num_tasks", "0"], "expected data.num_tasks to be a positive multiple of the 1 ranks"),
        (["--model.objective.updates_per_rollout", "3"], "expected a divisor of the 2 tasks of each rank, got 3"),
        (["--ckpt_path", "gone.ckpt"], "--ckpt_path: expected a checkpoint, got gone.ckpt"),
        (["--config", "gone.yaml"], "gone.yaml"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    tree: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert expected in complaint(capsys, ["fit", "--config", write(tree, tmp_path), *arguments])


def test_what_a_nested_class_refuses_is_said_alone(
    tree: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree["rollout"]["sampling"]["temperature"] = 0.0
    assert complaint(capsys, ["fit", "--config", write(tree, tmp_path)]).endswith("are all alike and teach nothing")


def test_a_run_from_fit_to_test(
    tree: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_checkpoint: Path
) -> None:
    path, run = write(tree, tmp_path), tmp_path / "run"
    assert main(["fit", "--config", path]) == 0
    written = {str(p.relative_to(run)) for p in run.rglob("*") if p.is_file()}
    assert {
        "config.yaml",
        "metrics.csv",
        "episodes.jsonl",
        "validation/batch_000002/results.json",
        "validation/batch_000002/scores.jsonl",
        "checkpoints/last.ckpt",
        "policy/model.safetensors",
        "policy/tokenizer.json",
    } <= written
    assert "which has metrics.csv" in complaint(capsys, ["fit", "--config", path])

    last = str(run / "checkpoints/last.ckpt")
    assert main(["fit", "--config", path, "--ckpt_path", last, "--trainer.max_epochs=2"]) == 0
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        steps = [int(row["batch"]) for row in csv.DictReader(file)]
    assert steps == sorted(set(steps))
    assert {0, 1, 2, 3} <= set(steps)
    assert (run / "config_1.yaml").is_file()

    assert main(["validate", "--config", path, "--model.policy.checkpoint", str(run / "policy")]) == 0
    assert main(["test", "--config", path, "--ckpt_path", last]) == 0
    assert json.loads((run / "results.json").read_text(encoding="utf-8"))["tasks"] == 3


INFEASIBLE = """maximize
 profit: 3 x + 2 y
subject to
 capacity: x + y <= 4
 demand: x + y >= 6
bounds
 0 <= x <= 10
 0 <= y <= 10
end
"""


@pytest.fixture
def predict(tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "plan.lp").write_text(INFEASIBLE, encoding="utf-8")
    return [
        "predict",
        "--config",
        str(CONFIGS / "predict.yaml"),
        "--trainer.accelerator=cpu",
        f"--trainer.default_root_dir={tmp_path}",
        f"--model.policy.checkpoint={tiny_checkpoint}",
        f"--data.program={tmp_path / 'plan.lp'}",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({">= 6": ">= 3"}, "Feasible: the optimum is 12. There is nothing to repair."),
        ({"x + y <= 4": "x - y <= 4", "y <= 10": "y"}, "Feasible, and unbounded: the objective improves without end."),
    ],
)
def test_predict_reads_no_weights_where_nothing_is_to_be_repaired(
    predict: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], line: str
) -> None:
    text = INFEASIBLE.replace(" 0 <= x <= 10\n", "")
    for old, new in changes.items():
        text = text.replace(old, new)
    (tmp_path / "plan.lp").write_text(text, encoding="utf-8")
    # There is no such policy, which nobody notices.
    assert main([*predict, "--model.policy.checkpoint=nowhere"]) == 0
    assert line in capsys.readouterr().out
    results = json.loads((tmp_path / "plan.repaired.json").read_text(encoding="utf-8"))
    assert (results["shown"], results["policy"]) == ([], None)
    assert not (tmp_path / "plan.repaired.lp").exists()


def test_predict_explains_before_it_reads_weights(
    predict: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.lp").write_text(INFEASIBLE.replace("demand", "bread"), encoding="utf-8")
    assert main([*predict, "--model.policy.checkpoint=nowhere"]) == 2
    captured = capsys.readouterr()
    assert "What may have happened, the likeliest slip first" in captured.out
    assert "  - row:bread: right-hand side 6 -> 4" in captured.out  # and no loaf of bread, as :bread: is to rich
    assert "expected a folder with a model and its tokenizer, got nowhere" in captured.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "beginning: expected Minimize or Maximize"),
        (["--data.keep=row:demnd"], "data.keep: expected row:NAME or var:NAME of the program"),
        (["--data.assertions=gone.txt"], "gone.txt: expected a file of assertions, got none"),
        (["--data.specification=gone.txt"], "gone.txt: expected a text that says what the program means"),
        (["--data.output=plan.txt"], "data.output: expected a file named .lp or .mps, got plan.txt"),
    ],
)
def test_predict_refuses_in_one_line(
    predict: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    if not words:
        (tmp_path / "plan.lp").write_text("not a program", encoding="utf-8")
    assert expected in complaint(capsys, [*predict, *words])
    assert not (tmp_path / "plan.repaired.json").exists()


def test_predict_is_never_empty_handed(predict: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The tiny model is random: it never writes an action, and is sure of nothing."""
    (tmp_path / "must.txt").write_text("enough: x + y >= 6\n", encoding="utf-8")
    words = ["--data.keep=var:*", f"--data.assertions={tmp_path / 'must.txt'}"]
    assert main([*predict, *words]) == 1
    shown = capsys.readouterr().out
    assert "The policy: 0 of 8 attempts ended feasible" in shown
    assert "Unsure: without a specification, no repair is recommended." in shown
    assert "row:demand    x + y >= 6" in shown
    assert not (tmp_path / "plan.repaired.lp").exists()
    results = json.loads((tmp_path / "plan.repaired.json").read_text(encoding="utf-8"))
    assert results["shown"]
    # Less than 6 must not be, and x and y stay as they are: it is the capacity.
    assert {e for one in (*results["shown"], *results["others"]) for e in one["elements"]} == {"row:capacity"}
    assert "expected no such file yet" in complaint(capsys, predict)


@pytest.mark.parametrize(
    ("number", "before_training"), [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True)]
)
def test_a_fit_that_is_told_to_end(
    tree: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals, before_training: bool
) -> None:
    told = {"class_path": "test_cli.Told", "init_args": {"number": int(number), "before_training": before_training}}
    tree["trainer"]["num_sanity_val_steps"] = -1
    tree["data"]["init_args"]["held_out"]["batch_size"] = 1
    path = write(tree, tmp_path)
    tree["trainer"]["callbacks"].append(told)
    (tmp_path / "told").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        assert main(["fit", "--config", write(tree, tmp_path / "told")]) == 128 + number
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert last.exists() is not before_training
    more = ["--ckpt_path", str(last)] if last.exists() else ["--trainer.default_root_dir", str(tmp_path / "again")]
    assert main(["fit", "--config", path, *more]) == 0
