"""A sample that is too long ends no run.

1. A sequence beyond a micro-batch has one of its own; the others lie as they do without it. The step is the same.
2. Beyond `longest_row_tokens` it has no targets and is counted; its reward counts in its group.
3. A prompt beyond the context is not played: the rest of the batch is trained on, with the advantages of a batch
   without it; it is counted, said, and told to no curriculum.
4. Where the settings leave room for nothing the run ends in one line: at the start, or with the first batch.
5. Demonstrations likewise; a batch of which nothing is left takes no step.
6. Where memory does not suffice for a sequence beyond a micro-batch, it is left out and said; ordinary ones raise.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from transformers import AutoTokenizer
from typing_extensions import override

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
from small_runs import EPISODE, TASKS, CoinRewards, make_data, make_module, make_trainer, weights_of

from lit_grpo.advantages import AdvantageEstimator
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.curriculum.base import BatchPlan, Outcomes
from lit_grpo.data.splits import Split
from lit_grpo.data.task import generate_task
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.settings import BuiltEngine, EngineSettings
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.modules.base import PolicyModule
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.policy import context_of
from lit_grpo.packing import Continuation, PromptGroup, fitting, num_with_targets, pack
from lit_grpo.rollout.attempts import RepairGroup
from lit_grpo.rollout.experience import ExperienceSettings, build_updates

PLAIN = OptimizerSettings(learning_rate=1e-3)
NUM_BATCH_TASKS = 4


def sampled(*ids: int) -> Continuation:
    return Continuation(ids, (True,) * len(ids))


def test_1_a_micro_batch_of_its_own() -> None:
    long, short = PromptGroup((1, 2, 3), (sampled(4, 5, 6),)), PromptGroup((7,), (sampled(8, 9), sampled(8)))
    first, *others = pack([long, short], microbatch_tokens=4)
    # Three of the prompt, and two: the last target is no input.
    assert first.input_ids.tolist() == [[1, 2, 3, 4, 5]]
    assert first.sequences == ((0, 0),)
    (alone,) = pack([short], microbatch_tokens=4)
    (other,) = others
    assert torch.equal(other.input_ids, alone.input_ids)
    assert other.target_ids.tolist() == alone.target_ids.tolist() == [8, 9, 8]


def test_1_between_others_of_its_group() -> None:
    group = PromptGroup((1, 2), (sampled(3), sampled(4, 5, 6, 7), sampled(8)))
    batches = pack([group], microbatch_tokens=3)
    assert sorted(place for batch in batches for place in batch.sequences) == [(0, 0), (0, 1), (0, 2)]
    assert sorted({batch.input_ids.numel() for batch in batches}) == [2, 5]


def test_2_fitting() -> None:
    group = PromptGroup((1, 2), (sampled(3, 4), sampled(3, 4, 5)))
    # 2 + 1 inputs and 2 + 2 inputs.
    assert fitting(group, None) == fitting(group, 4) == group
    assert fitting(group, 3).continuations == (sampled(3, 4), Continuation((3, 4, 5), (False,) * 3))
    assert (num_with_targets([group]), num_with_targets([fitting(group, 3)])) == (2, 1)
    nothing = fitting(group, 1)
    assert num_with_targets([nothing]) == 0


class Logged(Callback):
    """The numbers of each batch."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})


def fit(
    checkpoint: Path,
    folder: Path,
    rollout: CoinRewards | None = None,
    kind: Any = "grpo",
    batches: int = 1,
    **change: Any,
) -> tuple[PolicyModule, list[dict[str, float]]]:
    pl.seed_everything(0)
    logged, curriculum = Logged(), change.pop("curriculum", None)
    module = make_module(kind, checkpoint, PLAIN, **change.pop("axes", {}))
    for name, value in change.items():
        setattr(module, name, value)
    callbacks = [rollout or CoinRewards(), logged] if kind == "grpo" else [logged]
    trainer = make_trainer(folder, callbacks=callbacks)
    trainer.fit(module, make_data(kind, checkpoint, batches, curriculum=curriculum))
    return module, logged.rows


@pytest.mark.parametrize("kind", ["grpo", "sft"])
def test_1_the_step_is_the_same(kind: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    whole, (row,) = fit(tiny_checkpoint, tmp_path, kind=kind, microbatch_tokens=8192)
    # Less than a prompt: every sequence is a micro-batch of its own.
    cut, (row_cut,) = fit(tiny_checkpoint, tmp_path, kind=kind, microbatch_tokens=16)
    assert row_cut["train/grad_norm"] == pytest.approx(row["train/grad_norm"], rel=1e-5)
    differing = num_weights = 0
    for one, other in zip(weights_of(whole).values(), weights_of(cut).values(), strict=True):
        differing += int(((one - other).abs() > 1e-5 * one.abs().max()).sum())
        num_weights += one.numel()
    # Adam makes a whole step of the rounding where a gradient is 0 but for it.
    assert differing < 1e-3 * num_weights
    assert row_cut.get("rollout/too_long", 0.0) == row_cut.get("train/too_long", 0.0) == 0.0


class Played(CoinRewards):
    """Keeps the groups."""

    def collect(self, *arguments: Any, **named: Any) -> list[RepairGroup]:
        self.groups = super().collect(*arguments, **named)
        return self.groups


def test_2_beyond_the_longest_row(tiny_checkpoint: Path, tmp_path: Path) -> None:
    rollout = Played()
    fit(tiny_checkpoint, tmp_path / "all", rollout)
    lengths = [
        len(group.prompt_ids) + sum(len(t.observation_ids) + len(t.completion_ids) for t in attempt.turns) - 1
        for group in rollout.groups
        for attempt in group.attempts
    ]
    longest = sorted(lengths)[len(lengths) // 4]
    num_long = sum(length > longest for length in lengths)
    assert 0 < num_long < len(lengths)
    (whole,) = build_updates(rollout.groups, ExperienceSettings(AdvantageEstimator.BATCH, 64))
    settings = ExperienceSettings(AdvantageEstimator.BATCH, 64, longest_row_tokens=longest)
    (experience,) = build_updates(rollout.groups, settings)
    assert experience.num_too_long == num_long
    assert torch.equal(experience.advantages, whole.advantages)
    places = {place for batch in experience.batches for place in batch.packed.sequences}
    short = [place for place, length in enumerate(lengths) if length <= longest]
    assert places == {(place // 4, place % 4) for place in short}
    with pytest.warns(UserWarning, match=rf"{num_long} sequence\(s\) left out as too long, {num_long} so far in 1 bat"):
        _, (row,) = fit(tiny_checkpoint, tmp_path / "some", longest_row_tokens=longest)
    assert row["rollout/too_long"] == pytest.approx(num_long / len(lengths))


def test_2_it_is_no_less_than_a_micro_batch(tiny_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match=r"model.longest_row_tokens: expected at least microbatch_tokens=512, got 64"):
        type(make_module("sft", tiny_checkpoint))(
            make_module("sft", tiny_checkpoint).policy_settings, PLAIN, microbatch_tokens=512, longest_row_tokens=64
        )


class ShortContext(EngineSettings):
    """The ordinary engine with another context."""

    def __init__(self, max_context_tokens: int) -> None:
        self._most = max_context_tokens

    @override
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        engine = TransformersEngine(policy.network(), conversation.stop_ids, self._most)
        return BuiltEngine.in_process(engine, plays_ahead)


def prompt_lengths(checkpoint: Path) -> list[int]:
    """Tokens of the prompts of a fit's first batch."""
    solver, conversation = HighsSolver(), ConversationFormat(AutoTokenizer.from_pretrained(checkpoint))
    environment = RepairEnvironment(EPISODE, solver)
    tasks = [generate_task(TASKS, Split.TRAIN, 0, index, solver) for index in range(NUM_BATCH_TASKS)]
    episodes = [environment.begin(task, 1)[0] for task in tasks]
    return [len(conversation.prompt_ids(episode.instructions, episode.observation)) for episode in episodes]


class Told:
    """A curriculum that decides nothing."""

    needs_validation = False

    def __init__(self) -> None:
        self.outcomes: list[Outcomes] = []

    def require(self, conditions: Any) -> None:
        self.shares = {cell: 1 / len(conditions.cells) for cell in conditions.cells}

    def begin_batch(self) -> BatchPlan:
        return BatchPlan(self.shares)

    def observe_rollouts(self, outcomes: Outcomes) -> None:
        self.outcomes.append(outcomes)

    def numbers(self) -> dict[str, float]:
        return {}


@pytest.mark.parametrize("estimator", [AdvantageEstimator.GROUP, AdvantageEstimator.BATCH])
def test_3_a_prompt_beyond_the_context(estimator: AdvantageEstimator, tiny_checkpoint: Path, tmp_path: Path) -> None:
    lengths = prompt_lengths(tiny_checkpoint)
    room = sorted(lengths)[1]
    fits = [length <= room for length in lengths]
    assert 0 < sum(fits) < NUM_BATCH_TASKS
    rollout = Played(engine=ShortContext(room + 6))
    with pytest.warns(UserWarning, match=rf"a prompt may have {room} tokens, and there was one of {max(lengths)}"):
        module, (row,) = fit(tiny_checkpoint, tmp_path, rollout, axes={"advantage": estimator})
    assert [not group.attempts[0].is_too_long_to_begin for group in rollout.groups] == fits
    assert row["rollout/too_long"] == 1 - sum(fits) / NUM_BATCH_TASKS
    assert module.policy_version == 1
    played = [group for group, fit in zip(rollout.groups, fits, strict=True) if fit]
    (some,) = build_updates(rollout.groups, ExperienceSettings(estimator, 512))
    (alone,) = build_updates(played, ExperienceSettings(estimator, 512))
    where = torch.tensor(fits).repeat_interleave(4)
    assert torch.equal(some.advantages[where], alone.advantages)
    assert not some.advantages[~where].any()
    # What was not played is in no mean.
    paid = [reward.total for group in played for reward in group.rewards]
    assert row["rollout/trained_reward"] == pytest.approx(sum(paid) / len(paid), rel=1e-6)
    assert row["rollout/turns"] >= 1.0


def test_3_no_curriculum_is_told(tiny_checkpoint: Path, tmp_path: Path) -> None:
    told: Any = Told()
    rollout = Played(engine=ShortContext(sorted(prompt_lengths(tiny_checkpoint))[1] + 6))
    _, (row,) = fit(tiny_checkpoint, tmp_path, rollout, curriculum=told)
    (outcomes,) = told.outcomes
    assert sum(tally.attempts for tally in outcomes.values()) == round(16 * (1 - row["rollout/too_long"]))


def test_4_no_room_at_all(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected prompts of at most 30 tokens, .* got none in the first batch"):
        fit(tiny_checkpoint, tmp_path, Played(engine=ShortContext(36)))
    module = make_module("grpo", tiny_checkpoint)
    module.configure_model()
    context = context_of(module.policy.causal_lm)
    rollout = CoinRewards()
    sampling = rollout.settings.sampling
    object.__setattr__(sampling, "max_completion_tokens", context)
    with pytest.raises(
        ValueError, match=rf"expected less than the policy's context of {context} tokens, got {context}"
    ):
        fit(tiny_checkpoint, tmp_path, rollout)


def test_5_demonstrations(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"model.longest_row_tokens is 160; raise it if memory allows"):
        module, (row,) = fit(tiny_checkpoint, tmp_path, kind="sft", longest_row_tokens=160)
    assert 0 < row["train/too_long"] < 1
    assert module.policy_version == 1
    module, (row,) = fit(tiny_checkpoint, tmp_path, kind="sft", longest_row_tokens=16)
    assert (row["train/too_long"], row["train/not_finite"], module.policy_version) == (1.0, 0.0, 0)


def test_6_memory(tiny_checkpoint: Path, tmp_path: Path) -> None:
    def forgetful(module: PolicyModule, most: int) -> None:
        original = module._accumulate

        def accumulate(microbatch: Any) -> torch.Tensor:
            if microbatch.num_positions > most:
                raise torch.OutOfMemoryError("no more")
            return original(microbatch)

        module._accumulate = accumulate  # pyright: ignore[reportAttributeAccessIssue]

    def run(microbatch_tokens: int, most: int) -> dict[str, float]:
        pl.seed_everything(0)
        module, logged = make_module("sft", tiny_checkpoint, PLAIN), Logged()
        module.microbatch_tokens = microbatch_tokens
        forgetful(module, most)
        make_trainer(tmp_path, callbacks=[logged]).fit(module, make_data("sft", tiny_checkpoint, 1))
        return logged.rows[0]

    whole = run(microbatch_tokens=160, most=10_000)
    with pytest.warns(UserWarning, match=r"memory did not suffice for \d+ tokens in a pass: set model.longest_row_to"):
        part = run(microbatch_tokens=160, most=160)
    assert 0 < part["train/grad_norm"] != whole["train/grad_norm"]
    with pytest.raises(torch.OutOfMemoryError):
        run(microbatch_tokens=160, most=60)
