"""One home for each setting.

1. Every shared setting, at every level (preset, later config, command line, saved config laid over): what
   ``--print_config`` prints is what every part of the run has. The settings are those of the dataclasses: a new field
   is covered by itself.
2. A part that names a shared setting has to agree with its key: else an error that has both places and both values.
3. The keys of the command line, and the keys that are known to errors, are the same.
4. A key of an earlier config is refused in one line with the key that it is now, and each of those exists.
"""

from __future__ import annotations

import dataclasses
import itertools
import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import yaml

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.cli import CONFIGURABLE, TOP, KeepConfig, RepairCLI, main
from lit_grpo.config_errors import UnknownKey
from lit_grpo.data.datamodule import TaskDataModule
from lit_grpo.renamed_keys import RENAMED
from lit_grpo.rewards.base import Reward
from lit_grpo.rollout.settings import RolloutSettings
from lit_grpo.shared_settings import SECTIONS, SHARED

ROOT = Path(__file__).parents[2]
PRESETS = ("base", "grpo", "model/tiny")
LEVELS = ("preset", "later config", "command line", "saved config laid over")
FIXED = {"rollout.sampling.top_p", "rollout.sampling.top_k", "rollout.sampling.min_p", "episode.view_tokens"}
"""Every value but the default is refused, in training or beside a conflict that is hidden; that one is what is printed
and had."""


def variants(hint: Any, default: Any, number: int) -> Iterator[Any]:
    """Four values of a type, as a config writes them, for the four levels: different ones, where there are so many."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(kind for kind in kinds if kind is not type(None))
    if kind is bool:
        yield from (not default, default, not default, default)
    elif kind is int:
        # No two settings share a value: one that went to another's place is noticed.
        yield from range(4 * number + 1, 4 * number + 5)
    elif kind is float:
        yield from (0.6, 0.7, 0.8, 0.9)
    elif typing.get_origin(kind) is tuple:
        yield from ([5], [6], [7], [8, 9])
    elif issubclass(kind, Enum):
        names = [member.name for member in kind if member is not default]
        yield from (names * 4)[:4]
    elif issubclass(kind, Reward):
        for recovered in (51.0, 52.0, 53.0, 54.0):
            yield {"class_path": "HybridReward", "init_args": {"recovered": recovered}}
    else:
        (field,) = dataclasses.fields(kind)
        for value in variants(typing.get_type_hints(kind)[field.name], field.default, number):
            yield {field.name: value}


_NUMBERS = itertools.count(1)


def values_of(cls: type, key: str) -> Iterator[tuple[str, list[Any]]]:
    """Dotted key of every setting of a section, with its value at each level."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint, name = hints[field.name], f"{key}.{field.name}"
        if name in FIXED:
            continue
        if dataclasses.is_dataclass(hint):
            yield from values_of(hint, name)  # pyright: ignore[reportArgumentType]
        else:
            yield name, list(variants(hint, field.default, next(_NUMBERS)))


SETTINGS = {name: values for key, cls in SECTIONS.items() for name, values in values_of(cls, key)}
ENGINES = [f"spare_engines.Engine{number}" for number in (1, 2, 3, 4)]


def tree_of(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *above, last = name.split(".")
        node = tree
        for part in above:
            node = node.setdefault(part, {})
        node[last] = value
    return tree


def at_level(level: int) -> dict[str, Any]:
    return {name: values[level] for name, values in SETTINGS.items()} | {"engine": {"class_path": ENGINES[level]}}


def command(level: str, folder: Path, tokenizer: Path) -> list[str]:
    """A fit with every setting said at each level up to this one, differently each time."""
    paths = []
    for number in range(min(LEVELS.index(level), 1) + 1):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_text(yaml.safe_dump(tree_of(at_level(number))), encoding="utf-8")
    own = folder / "own.yaml"
    # Every part that `SHARED` names: the replay beside the callbacks of the preset.
    replay = {"demonstrations": {}, "num_demonstrations": 4, "batch_size": 2}
    mismatch = {"rule": "TOKEN_TRUNCATE"}
    own.write_text(
        yaml.safe_dump(
            {
                "trainer": {"default_root_dir": str(folder / "run"), "enable_progress_bar": False},
                "model": {"init_args": {"policy": {"checkpoint": str(tokenizer)}, "objective": {"mismatch": mismatch}}},
                "data": {"init_args": {"replay": replay}},
            }
        ),
        encoding="utf-8",
    )
    presets = [ROOT / "configs" / f"{name}.yaml" for name in PRESETS]
    words = ["fit", *(f"--config={path}" for path in (*presets, own, *paths))]
    if level in LEVELS[2:]:
        words += [f"--{name}={yaml_of(value)}" for name, value in at_level(2).items()]
    return words


def yaml_of(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).strip().removesuffix("\n...").strip()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Trainer, module and data of each `fit`, which is not run; the config is written as it would be."""
    runs: list[tuple[Any, ...]] = []

    def run(cli: RepairCLI, subcommand: str) -> None:
        runs.append((cli.trainer, cli.model, cli.datamodule))
        for callback in cli.trainer.callbacks:  # pyright: ignore[reportAttributeAccessIssue]
            if isinstance(callback, KeepConfig):
                callback.save_config(cli.trainer, cli.model, subcommand)

    monkeypatch.setattr(RepairCLI, "_run_subcommand", run)
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return runs


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    with pytest.raises(SystemExit):
        main([*words, "--print_config"])
    return yaml.safe_load(capsys.readouterr().out)


def found(tree: Mapping[str, Any], name: str) -> Any:
    for part in name.split("."):
        tree = tree[part]
    return tree


def as_printed(value: Any) -> Any:
    """What a part has, as `--print_config` writes it."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Reward):
        cls = type(value)
        return {"class_path": f"{cls.__module__}.{cls.__name__}", "init_args": dataclasses.asdict(value)}  # pyright: ignore[reportArgumentType]
    if dataclasses.is_dataclass(value):
        return {f.name: as_printed(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("level", LEVELS)
def test_1_what_is_printed_is_what_every_part_has(
    level: str,
    tmp_path: Path,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    built: list[tuple[Any, ...]],
) -> None:
    words = command(level, tmp_path, tiny_checkpoint)
    if level == LEVELS[3]:
        assert main(words) == 0
        over = tmp_path / "over.yaml"
        over.write_text(yaml.safe_dump(tree_of(at_level(3))), encoding="utf-8")
        words = ["fit", f"--config={tmp_path / 'run' / 'config.yaml'}", f"--config={over}"]
    config = printed(words, capsys)
    expected = at_level(LEVELS.index(level))
    for name in SETTINGS:
        if isinstance(expected[name], dict) and "class_path" in expected[name]:
            assert found(config, name)["init_args"].items() >= expected[name]["init_args"].items(), name
        else:
            assert found(config, name) == expected[name], name
    assert config["engine"]["class_path"] == expected["engine"]["class_path"]

    assert main(words) == 0
    trainer, module, data = built[-1]
    rollout = next(callback for callback in trainer.callbacks if isinstance(callback, RolloutCallback))
    evaluation = next(callback for callback in trainer.callbacks if isinstance(callback, RepairEvaluation))
    assert as_printed(rollout.settings) == config["rollout"]
    episode = config["episode"]
    assert as_printed(evaluation.play_settings.episode) == as_printed(data.replay.episode) == episode
    assert as_printed(rollout.play_settings.episode) == episode | {"max_turns": config["rollout"]["max_turns"]}
    played = rollout.play_settings
    assert (played.group_size, played.sampling) == (rollout.settings.group_size, rollout.settings.sampling)
    turn = evaluation.play_settings.sampling.max_completion_tokens
    assert turn == config["rollout"]["sampling"]["max_completion_tokens"]
    assert list(evaluation.play_settings.sampling.stop) == config["rollout"]["sampling"]["stop"]
    for callback in (rollout, evaluation):
        assert type(engine_of(callback)).__name__ == config["engine"]["class_path"].rpartition(".")[2]
    assert isinstance(data, TaskDataModule)
    assert data.replay is not None
    assert data.replay.tokenizer == module.policy_settings.checkpoint == tiny_checkpoint


def engine_of(callback: RolloutCallback | RepairEvaluation) -> Any:
    own = callback.engine if isinstance(callback, RolloutCallback) else callback._own_engine
    return own._settings


def test_1_every_field_is_covered_and_has_four_values() -> None:
    assert {name for name in (*SETTINGS, *FIXED) if name.startswith("episode.")} == {
        f"episode.{field.name}" for field in dataclasses.fields(SECTIONS["episode"])
    }
    assert {field.name for field in dataclasses.fields(RolloutSettings)} == {
        name.split(".")[1] for name in SETTINGS if name.startswith("rollout.")
    }
    assert all(len(values) == len(LEVELS) for values in SETTINGS.values())


# --- two homes --------------------------------------------------------------------------------------------------------


def with_callback(folder: Path, tokenizer: Path, arguments: str, replay: str = "null", *more: str) -> list[str]:
    path = folder / "callbacks.yaml"
    path.write_text(
        "trainer:\n  callbacks:\n"
        f"    - {{class_path: RolloutCallback, init_args: {arguments}}}\n"
        "    - class_path: RepairEvaluation\n"
        f"data: {{init_args: {{replay: {replay}}}}}\n",
        encoding="utf-8",
    )
    presets = [f"--config={ROOT / 'configs' / f'{name}.yaml'}" for name in PRESETS]
    own = [f"--trainer.default_root_dir={folder / 'run'}", f"--model.policy.checkpoint={tokenizer}"]
    return ["fit", *presets, f"--config={path}", *own, "--trainer.enable_progress_bar=false", *more]


REPLAY = "{demonstrations: {}, "
DISAGREE = [
    (
        "{settings: {group_size: 4}}",
        "null",
        ["--rollout.group_size=8"],
        "trainer.callbacks[0].init_args.settings.group_size: expected 8, as rollout.group_size says, got 4; they are "
        "one setting: set rollout.group_size, and leave it out there",
    ),
    # Named nowhere else: the key's default.
    ("{settings: {max_staleness: 1}}", "null", [], "settings.max_staleness: expected 0, as rollout.max_staleness says"),
    ("{episode: {style: FULL}}", "null", [], "episode.style: expected COMPACT, as episode.style says, got FULL"),
    (
        "{settings: {sampling: {temperature: 1.0}}}",
        "null",
        [],
        "settings.sampling.temperature: expected 1.3, as rollout.sampling.temperature says, got 1.0",
    ),
    (
        "{}",
        REPLAY + "tokenizer: elsewhere}",
        [],
        "data.init_args.replay.tokenizer: expected ",
    ),
]


@pytest.mark.parametrize(("arguments", "replay", "more", "message"), DISAGREE)
def test_2_two_homes_that_disagree(
    arguments: str,
    replay: str,
    more: list[str],
    message: str,
    tmp_path: Path,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
    built: list[tuple[Any, ...]],
) -> None:
    assert main(with_callback(tmp_path, tiny_checkpoint, arguments, replay, *more)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-grpo: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not built


def rollout_of(trainer: Any) -> RolloutCallback:
    """The callback that plays."""
    return next(callback for callback in trainer.callbacks if isinstance(callback, RolloutCallback))


def test_2_equal_values_are_fine(tmp_path: Path, tiny_checkpoint: Path, built: list[tuple[Any, ...]]) -> None:
    named = "{settings: {group_size: 4, sampling: {temperature: 1.3}}, episode: {style: COMPACT}, seed: 3}"
    words = with_callback(tmp_path, tiny_checkpoint, named, "null", "--rollout.group_size=4", "--rollout.max_turns=2")
    assert main(words) == 0
    rollout = rollout_of(built[0][0])
    # What is not named there is that of the key, not the default.
    assert (rollout.settings.group_size, rollout.settings.max_turns, rollout.seed) == (4, 2, 3)
    assert rollout.play_settings.episode.undo_if_still_infeasible
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text(encoding="utf-8"))
    assert saved["trainer"]["callbacks"][0]["init_args"]["settings"] is None
    assert main(["fit", f"--config={tmp_path / 'run' / 'config.yaml'}", "--rollout.group_size=5"]) == 0
    assert rollout_of(built[1][0]).settings.group_size == 5


# --- keys -------------------------------------------------------------------------------------------------------------


def test_3_known_keys_are_those_of_the_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known: set[str] = set()
    for name in ("fit", "validate", "test", "predict"):
        tree = printed([name], capsys)
        known |= set(tree)
        for key, cls in SECTIONS.items():
            assert set(tree[key]) == {field.name for field in dataclasses.fields(cls)}
    assert known == set(TOP)


def test_3_help_is_what_the_fields_say(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name in SETTINGS:
        assert f"--{name}" in said
    for text in (
        "Attempts per task.",
        "Most turns of an attempt in training;",
        "malformed ones count.",
        "tokens that a turn may have.",
    ):
        assert text in said


CLASSES = {cls.__name__: cls for cls in CONFIGURABLE}
PLACES = {"rollout": RolloutSettings, "episode": SECTIONS["episode"], "model": CLASSES["GRPOModule"]}


def takes(cls: type, names: list[str]) -> bool:
    """Whether a path of names leads somewhere below a class."""
    hints = typing.get_type_hints(cls.__init__)
    if not names:
        return True
    if names[0] not in hints:
        return False
    hint = hints[names[0]]
    inner = [kind for kind in (typing.get_args(hint) or (hint,)) if isinstance(kind, type)]
    return len(names) == 1 or any(takes(kind, names[1:]) for kind in inner if dataclasses.is_dataclass(kind))


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_4_new_names_exist_and_old_ones_do_not(old: str, new: str) -> None:
    first, *rest = new.split(".")
    assert takes((PLACES | CLASSES)[first], rest), new
    owner, name = old.split(".")
    known = CLASSES | {cls.__name__: cls for cls in SECTIONS.values()}
    if owner in known:
        assert name not in typing.get_type_hints(known[owner].__init__)
    said = UnknownKey(f"somewhere.{name}", (), owner).explain()
    assert said == f"somewhere.{name}: expected {new}, which is what this setting is called now, got {name!r}"


OLD = [
    (["--rollout.leave_out_long_prompts=true"], "expected RepairEvaluation.settings.leave_out_long_prompts, which"),
    (["--rollout.max_steps=3"], "rollout.max_steps: expected rollout.max_turns, which is what"),
    (["--episode.max_steps=3"], "episode.max_steps: expected episode.max_turns, which is what"),
    (["--model.updates_per_rollout=2"], "expected model.objective.updates_per_rollout, which is what"),
    (["--model.loss=GMPOLoss"], "model.init_args.loss: expected model.objective.loss, which is what"),
    (["--model.mismatch_monitor.mask.highest=3"], "mask: expected model.objective.mismatch_mask, which is what"),
    (["--group_size=4"], "group_size: expected a known key, got 'group_size'; known are"),
    (["8"], "expected every setting as --key value (--help lists the keys), got 8"),
    # In configs, with and without the class.
    ("model: {init_args: {loss: {class_path: GMPOLoss}}}", "model.init_args.loss: expected model.objective.loss"),
    ("model: {class_path: GRPOModule, init_args: {kl_beta: 0.1}}", "kl_beta: expected model.objective.kl_beta, which"),
    ("rollout: {max_steps: 2}", "rollout.max_steps: expected rollout.max_turns, which is what"),
    ("rollout: {reward: {class_path: HybridReward, init_args: {per_step: -1}}}", "expected HybridReward.per_turn"),
    (
        "trainer: {callbacks: [{class_path: RolloutCallback, init_args: {group_size: 4}}]}",
        "trainer.callbacks[0].init_args.group_size: expected rollout.group_size, which is what",
    ),
]


@pytest.mark.parametrize(("said", "message"), OLD)
def test_4_old_keys_on_the_command_line_and_in_configs(
    said: list[str] | str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", *(f"--config={ROOT / 'configs' / f'{name}.yaml'}" for name in PRESETS)]
    if isinstance(said, str):
        (tmp_path / "old.yaml").write_text(said, encoding="utf-8")
        words.append(f"--config={tmp_path / 'old.yaml'}")
    else:
        words += said
    assert main(words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-grpo: ")]
    assert len(lines) == 1
    assert message in lines[0]


def test_2_the_table_names_arguments_that_there_are() -> None:
    for cls, arguments in SHARED.items():
        assert not [argument for argument in arguments if not takes(cls, argument.split("."))], cls
