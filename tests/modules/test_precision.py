"""What a precision rounds.

1. With bf16-true rotary frequencies stay what the model has, in the policy, in the engine's copy and in a reference; a
   trained policy and its own export, read in bfloat16, agree in every log-prob.
2. Moved or cast by other ways, weights follow and frequencies keep their dtype.
3. In bf16-true and bf16-mixed what is logged is not rounded to bfloat16, and the norm of the gradient is that of
   float64 arithmetic on the same gradients.
4. The reference of a KL is the policy itself at first, in bf16-true and with frozen layers in bf16-mixed as well.
5. float16 is refused in one line, for every command; so is what Lightning may add.
6. Trained weights that bfloat16 holds are warned of.
7. In bf16-true a rank that has no tokens gathers entropies of the dtype of the others.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))
from small_runs import CoinRewards, make_data, make_module, make_trainer

from lit_grpo.callbacks.export import ExportPolicy
from lit_grpo.modules.base import PolicyModule
from lit_grpo.modules.grpo import GRPOModule
from lit_grpo.modules.optimizers import OptimizerSettings, gradient_norm
from lit_grpo.modules.policy import load_policy
from lit_grpo.modules.precision import PRECISIONS, require_precision
from lit_grpo.modules.served_policy import ServedPolicy

PLAIN = OptimizerSettings(learning_rate=1e-3)
SEQUENCES = [[5, 9, *range(10, 210), 7], [3, *range(300, 420)]]


class Logged(Callback):
    """The numbers of each batch."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *arguments: Any, **named: Any) -> None:
        self.rows.append({name: float(value) for name, value in trainer.callback_metrics.items()})


class AtTheEnd(Callback):
    """What the trained module says, before the strategy lets it go."""

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self.logprobs = pl_module.served.logprobs(SEQUENCES)
        self.buffers = {name: buffer.clone() for name, buffer in pl_module.policy.named_buffers()}


class EngineAtTheEnd(Callback):
    """The engine's copy of the weights."""

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        rollout = next(c for c in trainer.callbacks if isinstance(c, CoinRewards))  # pyright: ignore[reportAttributeAccessIssue]
        engine: Any = rollout.engine.current(pl_module.served)
        self.buffers = {name: buffer.clone() for name, buffer in engine._model.named_buffers()}


def fit(checkpoint: Path, folder: Path, precision: Any, *callbacks: Callback, **axes: Any) -> PolicyModule:
    pl.seed_everything(0)
    module = make_module("grpo", checkpoint, **{"optimizer": PLAIN, **axes})
    trainer = make_trainer(folder, precision=precision, callbacks=[CoinRewards(), *callbacks])
    trainer.fit(module, make_data("grpo", checkpoint, 2))
    return module


def test_1_the_export_is_the_trained_policy(tiny_checkpoint: Path, tmp_path: Path) -> None:
    end, engine = AtTheEnd(), EngineAtTheEnd()
    module = fit(tiny_checkpoint, tmp_path, "bf16-true", end, engine, ExportPolicy())
    assert {parameter.dtype for parameter in module.policy.parameters()} == {torch.bfloat16}
    given = dict(load_policy(tiny_checkpoint).named_buffers())
    assert any("inv_freq" in name for name in given)
    for buffers in (end.buffers, {f"model.{name}": buffer for name, buffer in engine.buffers.items()}):
        assert set(buffers) == set(given)
        assert all(torch.equal(buffers[name].cpu(), given[name]) for name in given)
    exported = load_policy(tmp_path / "policy", torch.bfloat16).eval()
    assert ServedPolicy(exported, tmp_path / "policy", version=0).logprobs(SEQUENCES) == end.logprobs


@pytest.mark.parametrize("cast", [lambda p: p.to(torch.bfloat16), lambda p: p.bfloat16(), lambda p: p.half()])
def test_2_other_casts(cast: Any, tiny_checkpoint: Path) -> None:
    policy = load_policy(tiny_checkpoint)
    given = {name: buffer.clone() for name, buffer in policy.named_buffers(remove_duplicate=False)}
    cast(policy)
    assert torch.float32 not in {parameter.dtype for parameter in policy.parameters()}
    for name, buffer in policy.named_buffers(remove_duplicate=False):
        assert torch.equal(buffer, given[name]), name
    policy.to("meta")
    assert all(buffer.is_meta for buffer in policy.buffers())


@pytest.mark.parametrize("precision", ["bf16-true", "bf16-mixed"])
def test_3_logs_are_not_rounded(precision: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    logged, norms = Logged(), list[float]()

    class Norms(Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            gradients = [p.grad.double().flatten() for p in pl_module.policy.parameters()]
            norms.append(float(torch.cat(gradients).norm()))

    fit(tiny_checkpoint, tmp_path, precision, logged, Norms(), optimizer=replace(PLAIN, gradient_clip=None))
    assert [row["train/grad_norm"] for row in logged.rows] == pytest.approx(norms, rel=1e-5)
    numbers = torch.tensor([value for row in logged.rows for value in row.values()])
    rounded = numbers.bfloat16().float()
    # Of numbers like times, norms and means nearly none is one that bfloat16 has, but 0 and 1.
    others = (numbers != 0) & (numbers != 1)
    assert ((numbers != rounded) & others).sum() > 0.5 * others.sum()
    assert logged.rows[0]["train/tokens"] == round(logged.rows[0]["train/tokens"])


def test_3_the_norm_by_hand() -> None:
    parameter = torch.nn.Parameter(torch.zeros(2, dtype=torch.bfloat16))
    other = torch.nn.Parameter(torch.zeros(1, dtype=torch.bfloat16))
    parameter.grad, other.grad = torch.tensor([3.0, 4.0]).bfloat16(), torch.tensor([0.125]).bfloat16()
    norm = gradient_norm(torch.optim.SGD([parameter, other], lr=1.0))
    # sqrt(25 + 1/64) = 5.00156, which bfloat16 rounds to 5.
    assert norm.dtype == torch.float32
    assert norm.item() == pytest.approx(25.015625**0.5, rel=1e-6)


@pytest.mark.parametrize(("precision", "frozen_layers"), [("bf16-true", 0), ("bf16-mixed", 0), ("bf16-mixed", 1)])
def test_4_the_reference_is_the_policy_at_first(
    precision: str, frozen_layers: int, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    logged = Logged()
    fit(tiny_checkpoint, tmp_path, precision, logged, kl_beta=0.1, frozen_layers=frozen_layers)
    assert logged.rows[0]["train/reference_kl"] == 0.0
    assert logged.rows[1]["train/reference_kl"] > 0.0


def test_5_float16_is_refused(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"trainer.precision: expected one of 32-true, .*, got 16-true; take bf16-mixed"
    ):
        fit(tiny_checkpoint, tmp_path, "16-true")
    for precision in ("16-mixed", "transformer-engine", "transformer-engine-float16"):
        with pytest.raises(ValueError, match=f"got {precision}; take"):
            require_precision(precision)
    for precision in PRECISIONS:
        require_precision(precision)


def test_6_weights_too_coarse_to_be_trained(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"trained weights are held in bfloat16: an update of less than a five-hundred"
    ):
        fit(tiny_checkpoint, tmp_path / "true", "bf16-true")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(tiny_checkpoint, tmp_path / "mixed", "bf16-mixed")
    assert not [warning for warning in caught if "are held in bfloat16" in str(warning.message)]


def test_7_a_rank_without_tokens_gathers_what_the_others_do(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a training step under bf16-true the default dtype is bfloat16; another rank has three entropies."""
    module = fit(tiny_checkpoint, tmp_path, "bf16-true")
    assert isinstance(module, GRPOModule)
    gathered: list[Tensor] = []

    def all_gather(own: Tensor) -> Tensor:
        gathered.append(own)
        return torch.stack([own, torch.tensor([0.1, 0.2, 0.3], dtype=torch.float32)])

    monkeypatch.setattr(module, "over_ranks", lambda values, how: [3])
    monkeypatch.setattr(module, "all_gather", all_gather)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert module.top_entropy_masks([], 0.5) == []
    finally:
        torch.set_default_dtype(default)
    assert [own.dtype for own in gathered] == [torch.float32]
