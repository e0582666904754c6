"""The folder of a run, as a user of the command line meets it.

1. `--ckpt_path` takes a checkpoint of the run that goes on, and says in one line what it got where it does not fit:
   another stage, batches of another size, another network, another reference of a KL, a file that is cut short, empty,
   or of something else. ``last`` and ``best`` are those of the run in the folder, and never nothing; ``best`` is found
   before there is a last one.
2. A finished run says that it is; more epochs extend it, and the schedule, the rows and the transcripts go on.
3. A fit writes over nothing, whatever the loggers; a checkpoint of another run does not open an occupied folder.
4. `metrics.csv` and the checkpoints are where they were, with loggers of one's own and without any; the loggers know
   every setting. `fast_dev_run` leaves nothing, and `enable_checkpointing false` no checkpoint.
5. Results say what they were made with. The same evaluation may be made again, another one does not replace it: of
   another checkpoint, by other settings of RepairEvaluation, or of fewer batches.
6. What differs from the checkpoint's config is said, when a fit goes on.
"""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from small_runs import make_data, make_module, make_trainer

from lit_grpo.callbacks.last_checkpoint import LastCheckpoint
from lit_grpo.cli import main
from lit_grpo.fitting.run_folder import checkpoint_of

LOGGER = "lightning.pytorch.loggers.CSVLogger"


def config(folder: Path, checkpoint: Path) -> dict:
    """Two batches of GRPO, each followed by a validation; the best checkpoint is that of the latest."""
    return {
        "trainer": {
            "accelerator": "cpu",
            "devices": 1,
            "default_root_dir": str(folder),
            "max_epochs": 1,
            "log_every_n_steps": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "val_check_interval": 1,
            "num_sanity_val_steps": -1,
            "callbacks": [
                {"class_path": "RolloutCallback", "init_args": {"transcripts_every": 1}},
                {"class_path": "RepairEvaluation"},
                {"class_path": "ModelCheckpoint", "init_args": {"monitor": "epoch", "mode": "max", "filename": "best"}},
                {"class_path": "ExportPolicy"},
            ],
        },
        "episode": {"max_turns": 1, "style": "COMPACT"},
        "rollout": {"group_size": 2, "sampling": {"max_completion_tokens": 4}},
        "model": {
            "class_path": "GRPOModule",
            "init_args": {
                "policy": {"checkpoint": str(checkpoint)},
                "optimizer": {"learning_rate": 1.0e-3, "final_fraction": 0.5},
                "objective": {"loss": {"class_path": "ClippedLoss"}, "kl_beta": 0.01},
            },
        },
        "data": {
            "class_path": "TaskDataModule",
            "init_args": {
                "tasks": {"size": "TINY", "kinds": {"A": 1.0}},
                "held_out": {"num_validation_tasks": 1, "num_test_tasks": 1},
                "num_tasks": 2,
                "batches_per_epoch": 2,
            },
        },
    }


@pytest.fixture(scope="module")
def finished(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``config.yaml`` and ``run``, the run that it describes."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "config.yaml").write_text(yaml.safe_dump(config(folder / "run", tiny_checkpoint)))
    assert main(["fit", "--config", str(folder / "config.yaml")]) == 0
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """A copy of the run's folder, and the arguments that name it."""
    shutil.copytree(finished / "run", tmp_path / "run")
    return tmp_path / "run", [
        "--config",
        str(finished / "config.yaml"),
        f"--trainer.default_root_dir={tmp_path / 'run'}",
    ]


def complaint(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-grpo: ")]
    return line


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def batches(folder: Path) -> list[int]:
    """The batches of the transcripts, each once."""
    lines = (folder / "episodes.jsonl").read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)["batch"] for line in lines))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data.num_tasks=4"], "data.num_tasks: expected 2, as in the checkpoint"),
        (["--data.batches_per_epoch=5"], "--trainer.max_epochs 2 to extend it"),
        (["--model.policy.lora.r=2"], "model.policy.lora: expected null, as in the checkpoint"),
        (
            ["--model.optimizer.matrix_learning_rate=0.01"],
            "matrix_learning_rate: expected null (AdamW alone), as in the",
        ),
        (["--model.optimizer.adamw=torch.optim.Adam"], "model.optimizer.adamw: expected torch.optim.adamw.AdamW, as"),
    ],
)
def test_what_does_not_fit_is_refused(
    run: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    folder, own = run
    before = (folder / "metrics.csv").read_bytes()
    assert expected in complaint(capsys, ["fit", *own, "--ckpt_path=last", *arguments])
    assert (folder / "metrics.csv").read_bytes() == before


def test_another_reference_of_a_kl_is_refused(
    run: tuple[Path, list[str]], other_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, own = run
    line = complaint(capsys, ["fit", *own, "--ckpt_path=last", f"--model.policy.checkpoint={other_checkpoint}"])
    assert "model.policy.checkpoint: expected weights of digest " in line
    assert "; the KL is to the policy that the run began with: name that one" in line


def test_another_stage_is_refused(
    finished: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = make_trainer(tmp_path / "sft", enable_checkpointing=True, callbacks=[LastCheckpoint()])
    trainer.fit(make_module("sft", tiny_checkpoint), make_data("sft", tiny_checkpoint, batches=1))
    own = ["fit", "--config", str(finished / "config.yaml"), f"--trainer.default_root_dir={tmp_path / 'grpo'}"]
    line = complaint(capsys, [*own, f"--ckpt_path={tmp_path / 'sft' / 'checkpoints' / 'last.ckpt'}"])
    assert "model: expected SFTModule, as in the checkpoint" in line
    assert "got GRPOModule; another stage starts from exported weights: --model.policy.checkpoint" in line
    assert not (tmp_path / "grpo" / "policy").exists()


@pytest.mark.parametrize("command", ["fit", "test"])
def test_what_is_no_checkpoint_is_refused(
    command: str, run: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, own = run
    whole = (folder / "checkpoints" / "last.ckpt").read_bytes()
    contents = {"short": whole[: len(whole) // 2], "empty": b"", "text": b"not a checkpoint"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        expected = f"{folder / name}: expected a whole checkpoint of this package, got one that cannot be read"
        assert expected in complaint(capsys, [command, *own, f"--ckpt_path={folder / name}"])
    foreign = {"a": {"state_dict": {}, "loops": {}}, "b": torch.zeros(2)}
    for name, content in foreign.items():
        torch.save(content, folder / name)
        line = complaint(capsys, [command, *own, f"--ckpt_path={folder / name}"])
        assert "expected a checkpoint of this package" in line
        assert str(folder / name) in line
    line = complaint(capsys, [command, *own, f"--ckpt_path={folder / 'policy'}"])
    assert "a folder of exported weights is given as --model.policy.checkpoint" in line
    for word in ("last", "best"):
        line = complaint(
            capsys, [command, *own, f"--ckpt_path={word}", f"--trainer.default_root_dir={tmp_path / 'new'}"]
        )
        expected = {
            "last": f"expected a checkpoint, got 'last', while there is no {tmp_path / 'new' / 'checkpoints'}",
            "best": f"expected a best checkpoint in {tmp_path / 'new' / 'checkpoints'}, got none so far",
        }
        assert expected[word] in line
    assert not (tmp_path / "new").exists()


def test_best_is_found_without_a_last_one(run: tuple[Path, list[str]]) -> None:
    checkpoints = run[0] / "checkpoints"
    (checkpoints / "last.ckpt").unlink()
    # A copy says of another file that it is the best.
    shutil.copy(checkpoints / "best.ckpt", checkpoints / "a_copy.ckpt")
    assert checkpoint_of("best", run[0]) == checkpoints / "best.ckpt"


def test_a_finished_run_says_so_and_is_extended(run: tuple[Path, list[str]], caplog: pytest.LogCaptureFixture) -> None:
    folder, own = run
    first = rows(folder)
    assert [row["batch"] for row in first] == ["0", "1", "2"]
    assert first[0]["val/FR@5"]  # before training
    assert main(["fit", *own, "--ckpt_path=last"]) == 0
    assert rows(folder) == first
    assert (
        "This run has ended: 2 batches in 1 epoch(s). Nothing is left to train; set --trainer.max_epochs 2"
        in caplog.text
    )
    caplog.clear()
    assert main(["fit", *own, "--ckpt_path=last", "--trainer.max_epochs=2"]) == 0
    assert "Goes on with other settings than the checkpoint's. " in caplog.text
    assert "trainer.max_epochs: 1 -> 2" in caplog.text
    extended = rows(folder)
    assert [row["batch"] for row in extended] == ["0", "1", "2", "3", "4"]
    times = ("rollout/rollout_s", "rollout/wait_s", "train/update_s")
    kept = [{name: row[name] for name in row if name not in times} for row in first[:2]]
    assert kept == [{name: row[name] for name in first[0] if name not in times} for row in extended[:2]]
    assert all(row["train/loss"] and row["val/FR@5"] for row in extended[:4])
    assert batches(folder) == [0, 1, 2, 3]
    assert torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 4


@pytest.mark.parametrize(
    "loggers",
    [[], [f"--trainer.logger={{class_path: {LOGGER}, init_args: {{save_dir: .}}}}"], ["--trainer.logger=false"]],
)
def test_an_occupied_folder_is_refused(
    run: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str], loggers: list[str]
) -> None:
    folder, own = run
    for name in ("metrics.csv", "episodes.jsonl", "checkpoints", "policy"):
        assert f"got {folder}, which has {name}" in complaint(capsys, ["fit", *own, *loggers])
        target = folder / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()


def test_a_checkpoint_of_another_run_opens_no_folder(
    run: tuple[Path, list[str]], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, own = run
    other = finished / "run" / "checkpoints" / "last.ckpt"
    assert f"got {folder}, which has metrics.csv of another run" in complaint(
        capsys, ["fit", *own, f"--ckpt_path={other}"]
    )


def test_own_loggers_and_none(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["fit", "--config", str(finished / "config.yaml"), "--trainer.num_sanity_val_steps=0"]
    logger = f"--trainer.logger={{class_path: {LOGGER}, init_args: {{save_dir: {tmp_path / 'logs'}, name: own}}}}"
    assert main([*own, f"--trainer.default_root_dir={tmp_path / 'a'}", logger]) == 0
    assert {path.name for path in (tmp_path / "a").iterdir()} >= {"metrics.csv", "checkpoints", "policy"}
    assert (tmp_path / "logs" / "own" / "version_0" / "metrics.csv").is_file()
    told = yaml.safe_load((tmp_path / "logs" / "own" / "version_0" / "hparams.yaml").read_text())
    assert told["model.init_args.optimizer.learning_rate"] == 1e-3
    assert told["data.init_args.num_tasks"] == 2
    assert main([*own, f"--trainer.default_root_dir={tmp_path / 'b'}", "--trainer.logger=false"]) == 0
    names = {path.name for path in (tmp_path / "b" / "checkpoints").iterdir()}
    assert names == {path.name for path in (tmp_path / "a" / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert main([*own, f"--trainer.default_root_dir={tmp_path / 'c'}", "--trainer.fast_dev_run=true"]) == 0
    assert not (tmp_path / "c").exists()
    bare = [*own, f"--trainer.default_root_dir={tmp_path / 'd'}", "--trainer.enable_checkpointing=false"]
    assert main([*bare, "--trainer.limit_val_batches=0"]) == 0
    assert {path.name for path in (tmp_path / "d").iterdir()} >= {"metrics.csv", "policy"}
    assert not list((tmp_path / "d").rglob("*.ckpt"))
    best = "{class_path: ExportPolicy, init_args: {which: best, folder: best}}"
    line = complaint(capsys, [*bare, f"--trainer.default_root_dir={tmp_path / 'e'}", f"--trainer.callbacks+={best}"])
    assert "expected a ModelCheckpoint with a monitor among trainer.callbacks, and trainer.enable_checkpointing" in line


def test_results_name_what_they_were_made_with(
    run: tuple[Path, list[str]],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tiny_checkpoint: Path,
) -> None:
    folder, own = run
    # What lies below the working folder is named as it is seen from there.
    monkeypatch.chdir(folder.parent)
    assert main(["test", *own, "--ckpt_path=best"]) == 0
    first = json.loads((folder / "results.json").read_text())
    made = first["made_with"]
    assert made["policy"] == str(tiny_checkpoint)
    assert made["checkpoint"] == str(Path(folder.name, "checkpoints", "best.ckpt"))
    assert (folder / made["config"]).is_file()
    assert made["seed"] == 0
    assert made["packages"]["torch"] == torch.__version__
    assert main(["test", *own, "--ckpt_path=best", "--trainer.enable_model_summary=true"]) == 0
    assert "Goes on with other settings" not in caplog.text
    line = complaint(capsys, ["test", *own, "--ckpt_path=last"])
    assert f"expected a folder without results of another evaluation, got {folder / 'results.json'}" in line
    assert "checkpoint" in line
    assert json.loads((folder / "results.json").read_text())["made_with"]["checkpoint"].endswith("best.ckpt")


@pytest.mark.parametrize("command", ["test", "validate"])
def test_another_evaluation_replaces_no_results(
    command: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = [command, "--config", str(finished / "config.yaml"), f"--trainer.default_root_dir={tmp_path}"]
    # Two batches, of a task each.
    own += ["--data.held_out={num_validation_tasks: 2, num_test_tasks: 2, batch_size: 1}"]
    assert main([*own, "--trainer.callbacks=[RepairEvaluation]"]) == 0
    path = next(tmp_path.rglob("results.json"))
    before = path.read_bytes()
    assert json.loads(before)["made_with"]["batches"] == 2
    assert json.loads(before)["made_with"]["played_with"]["sampling"]["temperature"] == 0.0
    limit = {"test": "limit_test_batches", "validate": "limit_val_batches"}[command]
    # A limit of 1 is one batch, one of 1.0 all of them.
    others = {
        "batches 2, where batches is 1 now": ["--trainer.callbacks=[RepairEvaluation]", f"--trainer.{limit}=1"],
        "settings.temperature 0.0, where": [_evaluation("settings: {temperature: 0.5}")],
        "settings.leave_out_long_prompts True, where": [_evaluation("settings: {leave_out_long_prompts: false}")],
        "settings.seed None, where": [_evaluation("settings: {seed: 7}")],
    }
    for expected, arguments in others.items():
        assert expected in complaint(capsys, [*own, *arguments])
    assert path.read_bytes() == before
    assert main([*own, "--trainer.callbacks=[RepairEvaluation]"]) == 0


def _evaluation(arguments: str) -> str:
    return f"--trainer.callbacks=[{{class_path: RepairEvaluation, init_args: {{{arguments}}}}}]"
