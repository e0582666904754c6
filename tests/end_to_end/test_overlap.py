"""Generation and training at the same time, in whole runs.

1. With max_staleness 0 a run is bit by bit the synchronous loop written out below, and no thread is started.
2. With 1 and 2 each token has exactly the version of the weights that the batch's number says, and its age is logged.
3. So it is however slow the rollouts or the training are: no rollout begins earlier than it may, and the weights at the
   end are the same, bit by bit; with refills, too.
4. A rollout that fails stops the run at its batch, as itself; the batches before it were trained on. On two ranks the
   other one stops as well, with the text.
5. However a run ends (its last batch, a limit in steps, an error in training, Ctrl-C, a stop), no thread is left, and
   nothing is played beyond a limit that is known; what was played for nothing is said.
6. A validation between batches plays with the present weights, and changes nothing after it.
7. A resumed run skips no task and doubles none; a curriculum is asked about each batch once, over the resume as well.
8. Two ranks, with whole and with sharded weights, take the steps of one.
9. The loss gets the stale sampler's log-probs and the present policy's, and weighs by them.
10. An objective without a weight, and servers that ranks share, are refused.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import lightning.pytorch as pl
import overlapped
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from overlapped import TRUNCATED, WAIT_S, Ahead, Pace, fit, threads_ahead
from small_runs import (
    ADAMW,
    CoinRewards,
    Remembering,
    assert_same_steps,
    half_flat,
    make_data,
    make_trainer,
    two_processes,
)
from torch import Tensor
from typing_extensions import override

from lit_grpo.callbacks.evaluation import RepairEvaluation
from lit_grpo.data.batches import consumed_batches
from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.curriculum.base import BatchPlan
from lit_grpo.data.held_out import HeldOutSettings
from lit_grpo.engines.policy_view import PolicyView
from lit_grpo.engines.publishing import InProcessEngine
from lit_grpo.engines.scripted import ScriptedEngine
from lit_grpo.engines.settings import BuiltEngine, EngineSettings, VllmServerSettings
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.weights import full_weights
from lit_grpo.losses.base import LossInputs, LossOutput
from lit_grpo.losses.clipped import ClippedLoss
from lit_grpo.losses.objective import Objective
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.rollout.overlap import require_own_engine
from lit_grpo.rollout.refill import DynamicSampling


def assert_equal(result: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert result.keys() == expected.keys()
    assert all(torch.equal(result[name], tensor) for name, tensor in expected.items())


class Scripted(EngineSettings):
    """Says a few words that depend on the seed of the turn."""

    @override
    def build(self, policy: PolicyView, conversation: ConversationFormat, plays_ahead: bool) -> BuiltEngine:
        return BuiltEngine.in_process(scripted_engine(conversation), plays_ahead)


def scripted_engine(chat: ConversationFormat) -> ScriptedEngine:
    words = ("relax", "set", "rhs", "undo", "x1", "row")
    return ScriptedEngine(
        lambda request: " ".join(words[request.seed >> shift & 3] for shift in (0, 2, 4)),
        encode=lambda text: chat.completion_ids(text)[:-1],
        stop_id=chat.completion_ids("")[-1],
        logprob=-2.0,
    )


class Synchronous(Callback):
    """Weights, rollout, experience: the loop without anything around it."""

    def __init__(self, coin: CoinRewards, is_scripted: bool) -> None:
        self.coin, self.is_scripted = coin, is_scripted
        self.engine: InProcessEngine | None = None

    @override
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        module: GRPOModule = pl_module
        chat = self.coin.engine.conversation(module.served)
        if self.engine is None:
            own = TransformersEngine(module.policy.model, chat.stop_ids)
            self.engine = scripted_engine(chat) if self.is_scripted else own
        self.engine.update_weights(full_weights(module.policy.model), module.policy_version)
        groups = self.coin.collect(batch.tasks, self.engine, chat, consumed_batches(trainer))
        batch.experience = module.rollout_of(groups, self.coin.settings)


@pytest.mark.parametrize("is_scripted", [False, True], ids=["transformers", "scripted"])
def test_1_without_staleness_it_is_the_synchronous_loop(
    is_scripted: bool, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    reference: Any = Synchronous(CoinRewards(), is_scripted)
    expected = fit(tiny_checkpoint, tmp_path / "loop", reference)
    reference.coin.environment.close()
    threads: list[str] = []
    engine = Scripted() if is_scripted else None
    rollout = Ahead(0, before=lambda batch: threads.extend(threads_ahead()), engine=engine)
    assert_equal(fit(tiny_checkpoint, tmp_path / "callback", rollout), expected)
    assert threads == []
    assert [sorted(play.versions) for play in rollout.plays] == [[0], [2], [4], [6]]
    assert [step["rollout/staleness"] for step in rollout.steps] == [0, 0, 0, 0]
    assert all(step["rollout/wait_s"] == step["rollout/rollout_s"] for step in rollout.steps)


@pytest.fixture(scope="module")
def one_ahead(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ahead, dict[str, Tensor]]:
    rollout = Ahead(1)
    return rollout, fit(tiny_checkpoint, tmp_path_factory.mktemp("one_ahead"), rollout)


def test_2_one_ahead(one_ahead: tuple[Ahead, dict[str, Tensor]]) -> None:
    rollout, _ = one_ahead
    assert rollout.version_at == {0: 0, 1: 2, 2: 4, 3: 6}
    assert [(play.batch, sorted(play.versions)) for play in rollout.plays] == [(0, [0]), (1, [0]), (2, [2]), (3, [4])]
    assert [step["rollout/staleness"] for step in rollout.steps] == [0, 1, 1, 1]
    first, *later = rollout.steps
    assert first["train/mismatch_mean"] < 1e-4
    assert [step["train/mismatch_stale_tokens"] for step in later] == [1.0, 1.0, 1.0]
    assert all(step["train/mismatch_stale_mean"] > 1e-4 for step in later)


def test_2_one_ahead_with_the_scripted_engine(tiny_checkpoint: Path, tmp_path: Path) -> None:
    rollout = Ahead(1, engine=Scripted())
    fit(tiny_checkpoint, tmp_path, rollout, batches=3)
    assert [(play.batch, sorted(play.versions)) for play in rollout.plays] == [(0, [0]), (1, [0]), (2, [2])]


def test_2_two_ahead(tiny_checkpoint: Path, tmp_path: Path) -> None:
    rollout = Ahead(2)
    fit(tiny_checkpoint, tmp_path, rollout)
    assert [(play.batch, sorted(play.versions)) for play in rollout.plays] == [(0, [0]), (1, [0]), (2, [0]), (3, [2])]
    assert [step["rollout/staleness"] for step in rollout.steps] == [0, 1, 2, 2]


@pytest.mark.parametrize("pace", ["slow rollouts", "slow training"])
def test_3_whoever_is_slow(
    one_ahead: tuple[Ahead, dict[str, Tensor]], pace: Pace, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    expected, weights = one_ahead
    rollout = Ahead(1, pace)
    assert_equal(fit(tiny_checkpoint, tmp_path, rollout), weights)
    assert [(play.batch, play.versions, play.tasks) for play in rollout.plays] == [
        (play.batch, play.versions, play.tasks) for play in expected.plays
    ]
    leads = [play.batch - play.during for play in rollout.plays]
    assert leads == ([0, 0, 0, 0] if pace == "slow rollouts" else [0, 1, 1, 1]) or leads[1:] == [1, 1, 1]
    assert all(0 <= play.batch - play.during <= 1 for play in expected.plays + rollout.plays)


def test_3_refills_belong_to_their_batch(tiny_checkpoint: Path, tmp_path: Path) -> None:
    runs: list[tuple[Ahead, dict[str, Tensor]]] = []
    for pace in ("slow rollouts", "slow training"):
        rollout = Ahead(1, pace, dynamic_sampling=DynamicSampling(2), is_flat=half_flat)
        runs.append((rollout, fit(tiny_checkpoint, tmp_path / pace, rollout)))
    assert_equal(runs[0][1], runs[1][1])
    refilled = {play.batch for play in runs[0][0].plays if len(play.tasks) < 4}
    assert refilled, "nothing was refilled"
    for play in (play for rollout, _ in runs for play in rollout.plays):
        assert play.versions == {max(0, 2 * (play.batch - 1))}


ERROR = ValueError("expected a solver, got a teapot")


def fail_in_batch_2(batch: int) -> None:
    if batch == 2:
        raise ERROR


def test_4_a_rollout_that_fails(tiny_checkpoint: Path, tmp_path: Path) -> None:
    rollout = Ahead(1, before=fail_in_batch_2)
    with pytest.raises(ValueError, match="got a teapot") as caught:
        fit(tiny_checkpoint, tmp_path, rollout, batches=5)
    assert caught.value is ERROR
    assert len(rollout.steps) == 2
    assert [play.batch for play in rollout.plays] == [0, 1]
    assert threads_ahead() == []


def test_4_on_one_of_two_ranks(tiny_checkpoint: Path, tmp_path: Path) -> None:
    two_processes("failure", tiny_checkpoint, tmp_path, overlapped.__file__)
    said = [(tmp_path / f"rank{rank}.txt").read_text() for rank in (0, 1)]
    assert said[1] == "ValueError: the solver of rank 1 is gone, after 2 batches, threads []"
    assert said[0] == (
        "EngineFailure: rank 1 failed: ValueError: the solver of rank 1 is gone, after 2 batches, threads []"
    )


def test_5_nothing_is_played_beyond_the_last_batch(tiny_checkpoint: Path, tmp_path: Path) -> None:
    by_epochs, by_steps = Ahead(2), Ahead(2)
    fit(tiny_checkpoint, tmp_path / "epochs", by_epochs, batches=2, max_epochs=2)
    assert [play.batch for play in by_epochs.plays] == [0, 1, 2, 3]
    # Three batches are six steps.
    fit(tiny_checkpoint, tmp_path / "steps", by_steps, batches=9, max_epochs=-1, max_steps=6)
    assert [play.batch for play in by_steps.plays] == [0, 1, 2]
    assert threads_ahead() == []


class End(Callback):
    """Ends the run after its second batch, when the third rollout is played."""

    def __init__(self, how: BaseException | None) -> None:
        self.how = how

    @override
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 1 and self.how is not None:
            raise self.how
        trainer.should_stop = batch_idx == 1


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Lightning ignores Ctrl-C from the first one on: put back what there was."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
@pytest.mark.parametrize("how", [None, RuntimeError("out of memory"), KeyboardInterrupt()], ids=repr)
def test_5_however_it_ends(
    how: BaseException | None, tiny_checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rollout = Ahead(1, "slow training")
    arguments: dict[str, Any] = {"rollout": rollout, "batches": 6, "callbacks": [End(how)]}
    with contextlib.nullcontext() if how is None else pytest.raises((type(how), SystemExit)):
        fit(tiny_checkpoint, tmp_path, **arguments)
    assert [play.batch for play in rollout.plays] == [0, 1, 2]
    assert threads_ahead() == []
    # Four tasks of four attempts.
    assert "1 batch(es) were played ahead and not trained on (16 attempts of a rank)" in caplog.text


def test_5_what_is_being_played_is_broken_off(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """The run ends while the third rollout is about to sample: it does not."""
    playing = Event()

    def before(batch: int) -> None:
        if batch == 2:
            playing.set()
            assert rollout.stopping.wait(WAIT_S)

    class WhilePlaying(End):
        @override
        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            assert batch_idx == 0 or playing.wait(WAIT_S)
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    rollout = Ahead(1, before=before)
    with pytest.raises(RuntimeError, match="out of memory"):
        fit(tiny_checkpoint, tmp_path, rollout, batches=6, callbacks=[WhilePlaying(RuntimeError("out of memory"))])
    assert [play.batch for play in rollout.plays] == [0, 1]
    assert threads_ahead() == []


def test_6_a_validation_in_between(
    one_ahead: tuple[Ahead, dict[str, Tensor]], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    expected, weights = one_ahead
    rollout, seen = Ahead(1), list[tuple[int, int]]()

    class Watched(RepairEvaluation):
        @override
        def on_validation_batch_start(
            self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
        ) -> None:
            super().on_validation_batch_start(trainer, pl_module, batch, batch_idx, dataloader_idx)
            versions = {t.policy_version for group in self._groups for a in group.attempts for t in a.turns}
            assert versions == {pl_module.policy_version}
            seen.append((consumed_batches(trainer), pl_module.policy_version))

    result = fit(
        tiny_checkpoint,
        tmp_path,
        rollout,
        callbacks=[Watched(max_completion_tokens=4, episode=rollout.play_settings.episode)],
        data={"held_out": HeldOutSettings(num_validation_tasks=4, num_test_tasks=0, batch_size=2)},
        limit_val_batches=1.0,
        val_check_interval=1,
        num_sanity_val_steps=-1,
    )
    assert seen == [(done, 2 * done) for done in range(5) for _ in range(2)]
    assert_equal(result, weights)
    assert [play.versions for play in rollout.plays] == [play.versions for play in expected.plays]


class Counting(Remembering):
    """Counts the batches that it decided about."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[dict[Any, float]] = []

    @override
    def begin_batch(self) -> BatchPlan:
        plan = super().begin_batch()
        self.shares.append(dict(plan.shares))
        return plan


def test_7_resumed_with_a_curriculum(tiny_checkpoint: Path, tmp_path: Path) -> None:
    saving = ModelCheckpoint(tmp_path, "batch_{step}", every_n_train_steps=1, save_top_k=-1)
    whole, asked = Ahead(2), Counting()
    arguments: dict[str, Any] = {"batches": 5, "enable_checkpointing": True}
    fit(tiny_checkpoint, tmp_path, whole, callbacks=[saving], data={"curriculum": asked}, **arguments)
    assert len(asked.shares) == 5
    assert len({str(shares) for shares in asked.shares}) == 3, "batches 0, 1 and 2 are decided by nothing"
    resumed, again = Ahead(2), Counting()
    fit(
        tiny_checkpoint,
        tmp_path / "resumed",
        resumed,
        data={"curriculum": again},
        ckpt_path=tmp_path / "batch_step=4.ckpt",
        **arguments,
    )
    # Two batches were consumed, and those after them, 2 and 3, had begun; batch 4 is decided by what was known then.
    assert again.shares == asked.shares[4:]
    assert [(play.batch, play.tasks) for play in resumed.plays] == [
        (play.batch, play.tasks) for play in whole.plays if play.batch >= 2
    ]
    assert [sorted(play.versions) for play in resumed.plays] == [[4], [4], [4]], "the weights that are there"


def test_7_resumed_without_overlap(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """Tasks that were decided about ahead are played as they were decided, and the rest as ever."""
    saving = ModelCheckpoint(tmp_path, "batch_{step}", every_n_train_steps=1, save_top_k=-1)
    whole = Ahead(1)
    arguments: dict[str, Any] = {"batches": 3, "enable_checkpointing": True}
    fit(tiny_checkpoint, tmp_path, whole, callbacks=[saving], data={"curriculum": Counting()}, **arguments)
    resumed, again = Ahead(0), Counting()
    fit(
        tiny_checkpoint,
        tmp_path / "resumed",
        resumed,
        data={"curriculum": again},
        ckpt_path=tmp_path / "batch_step=2.ckpt",
        **arguments,
    )
    assert len(again.shares) == 1
    assert [play.batch for play in resumed.plays] == [1, 2]
    assert resumed.plays[0].tasks == whole.plays[1].tasks


@pytest.fixture(scope="module")
def one_device(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    folder = tmp_path_factory.mktemp("one_device")
    overlapped.one_ahead("one", tiny_checkpoint, folder)
    return torch.load(folder / "weights.pt", weights_only=True)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_8_two_ranks_take_the_steps_of_one(
    one_device: dict[str, Tensor], strategy: str, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    two_processes(strategy, tiny_checkpoint, tmp_path, overlapped.__file__)
    result = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert_same_steps(result, one_device, tiny_checkpoint)


class Recording(ClippedLoss):
    """Remembers what goes in."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[LossInputs] = []

    @override
    def forward(self, inputs: LossInputs) -> LossOutput:
        self.seen.append(inputs)
        return super().forward(inputs)


class OldAndPresent(Callback):
    """Scores the tokens of each micro-batch with the weights of the batch before, and with the present ones."""

    def __init__(self) -> None:
        self.old: dict[str, Tensor] = {}
        self.scores: list[tuple[int, Tensor, Tensor]] = []

    @override
    @torch.no_grad()
    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        policy = pl_module.policy
        present = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
        for micro in batch.experience.updates[0].batches_with_signal:
            both: list[Tensor] = []
            for weights in (self.old or present, present):
                policy.load_state_dict(weights)
                both.append(policy(micro.packed, 1.0))
            self.scores.append((batch_idx, both[0], both[1]))
        self.old = present


def test_9_the_loss_gets_the_stale_samplers_log_probs(tiny_checkpoint: Path, tmp_path: Path) -> None:
    pl.seed_everything(0)
    loss, scored, rollout = Recording(), OldAndPresent(), Ahead(1)
    objective = Objective(loss, mismatch=TRUNCATED)
    module = GRPOModule(PolicySettings(tiny_checkpoint), ADAMW, objective, microbatch_tokens=512)
    make_trainer(tmp_path, callbacks=[rollout, scored]).fit(module, make_data("grpo", tiny_checkpoint, 3))
    assert len(loss.seen) == len(scored.scores) > 3
    for inputs, (_, old, present) in zip(loss.seen, scored.scores, strict=True):
        torch.testing.assert_close(inputs.sampler_logprobs, old, rtol=0, atol=1e-5)
        torch.testing.assert_close(inputs.proximal_logprobs, present, rtol=0, atol=1e-5)
    for batch_idx, step in enumerate(rollout.steps):
        own = [(s[1], s[2], i.advantages) for s, i in zip(scored.scores, loss.seen, strict=True) if s[0] == batch_idx]
        old, present, advantages = (torch.cat(column) for column in zip(*own, strict=True))
        # One update: the surrogate is -A at ratio 1, times min(present probability / the sampler's, 2).
        weights = (present - old).exp().clamp(max=2.0)
        assert step["train/mismatch_weight"] == pytest.approx(weights.mean().item(), abs=1e-5)
        assert step["train/loss"] == pytest.approx((-advantages * weights).mean().item(), abs=1e-5)
        assert (batch_idx == 0) == (float((weights - 1).abs().max()) < 1e-5)


def test_10_what_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected 0 without model\.objective\.mismatch, got 1"):
        fit(tiny_checkpoint, tmp_path, Ahead(1), module={"mismatch": None})
    with pytest.raises(ValueError, match="max_staleness: expected at least 0, got -1"):
        Ahead(-1)
    shared = VllmServerSettings(["127.0.0.1:1"])
    require_own_engine(1, shared, world_size=1)
    with pytest.raises(ValueError, match="expected 0 with VllmServerSettings on 2 ranks, got 1"):
        require_own_engine(1, shared, world_size=2)
