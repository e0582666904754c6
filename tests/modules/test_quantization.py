"""Frozen weights in four or eight bits: what they stand for, and that the policy computes with that and nothing else.

1. NF4 and INT8 weights stand for what the papers say, worked out here from the code book and from rounding.
2. In float32 a policy with quantised weights and adapters equals, in its log-probs and in the gradient of each adapter,
   LoRA on the dequantised weights as a plain model; also with the scales quantised again.
3. A log-prob is the same in training and in evaluation, in whatever company a sequence is packed, and where the engine
   runs one token at a time.
4. Merged, exported and read again, it is the same policy.
5. It holds the bytes that it says, keeps no dequantised weight for the backward pass, and trains adapters alone.
6. Without bitsandbytes, without adapters, sharded, or of another quantisation: one line.

Dettmers et al. 2023, arXiv:2305.14314, appendix E; Dettmers et al. 2022, arXiv:2208.07339.
"""

from __future__ import annotations

from importlib import util
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from transformers import AutoModelForCausalLM

from lit_grpo.callbacks.export import merged_model, save_adapters
from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.optimizers import OptimizerSettings, build_optimizer
from lit_grpo.modules.policy import CausalPolicy
from lit_grpo.modules.quantization import QuantisedLinear, QuantizationKind, QuantizationSettings
from lit_grpo.packing import Continuation, PackedBatch, PromptGroup, pack

BASE = Path(__file__).parents[2] / "checkpoints" / "tiny-base"
LORA = LoraSettings(r=4, alpha=12.0, target_modules=("q_proj", "v_proj", "o_proj", "down_proj"))
NF4, PLAIN_NF4 = QuantizationSettings(), QuantizationSettings(double_quant=False)
INT8 = QuantizationSettings(QuantizationKind.INT8)
KINDS = pytest.mark.parametrize("quantization", [NF4, PLAIN_NF4, INT8], ids=["nf4", "nf4, plain scales", "int8"])
CODE_BOOK = [
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
]


def groups() -> list[PromptGroup]:
    generator = torch.Generator().manual_seed(4)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(0, 640, (count,), generator=generator).tolist())

    return [
        PromptGroup(tokens(11), tuple(Continuation(tokens(count), (True,) * count) for count in (7, 12, 1))),
        PromptGroup(tokens(5), (Continuation(tokens(9), (True,) * 9),)),
    ]


def whole_batch() -> PackedBatch:
    [batch] = pack(groups(), 200)
    return batch


def randomised(policy: CausalPolicy) -> CausalPolicy:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return policy


def quantised(quantization: QuantizationSettings) -> CausalPolicy:
    return randomised(PolicySettings(BASE, lora=LORA, quantization=quantization).load()).train()


def dequantised(quantization: QuantizationSettings) -> CausalPolicy:
    """LoRA on a plain model whose weights are those that the bits stand for, by bitsandbytes' own functions."""
    from transformers import BitsAndBytesConfig

    config = quantization.for_transformers(torch.float32)
    assert isinstance(config, BitsAndBytesConfig)
    model = AutoModelForCausalLM.from_pretrained(BASE, quantization_config=config, dtype=torch.float32)
    weights = model.dequantize(dtype=torch.float32).state_dict()
    plain = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    plain.load_state_dict({name: weights[name] for name in plain.state_dict()})
    return randomised(CausalPolicy(plain, LORA)).train()


def decoder_layers(quantization: QuantizationSettings) -> list[tuple[Tensor, Tensor]]:
    """The weight of each quantised layer, and what its bits stand for."""
    plain = PolicySettings(BASE).load().causal_lm
    layers = {n: m for n, m in quantised(quantization).causal_lm.named_modules() if isinstance(m, QuantisedLinear)}
    assert len(layers) == 4 * 7, "all of the decoder's, and not the head"
    names = {name: name.removesuffix(".base_layer") for name in layers}
    return [
        (plain.get_submodule(names[name]).get_parameter("weight").detach(), layer.dequantised())
        for name, layer in layers.items()
    ]


def test_1_nf4_is_the_nearest_of_the_code_book_in_each_block() -> None:
    codes = torch.tensor(CODE_BOOK)
    for weight, found in decoder_layers(PLAIN_NF4):
        blocks = weight.reshape(-1, 64)
        scale = blocks.abs().amax(1, keepdim=True)
        expected = codes[(blocks[..., None] / scale[..., None] - codes).abs().argmin(-1)] * scale
        assert (found - expected.view_as(weight)).abs().max() < 1e-6
        assert (found - weight).abs().max() > 1e-3


def test_1_int8_is_the_nearest_of_255_steps_for_each_output() -> None:
    for weight, found in decoder_layers(INT8):
        step = weight.half().float().abs().amax(1, keepdim=True) / 127
        numbers = found / step
        assert (numbers - numbers.round()).abs().max() < 1e-3
        # The division is made in float16, which moves a number below 127 by up to 127 / 2 ** 11 = 0.06 steps.
        assert ((found - weight).abs() / step).max() < 0.5 + 0.07
        assert ((found - weight).abs() / step).max() > 0.4


@KINDS
def test_2_it_equals_lora_on_the_dequantised_weights(quantization: QuantizationSettings) -> None:
    policy, plain = quantised(quantization), dequantised(quantization)
    batch, weights = whole_batch(), torch.linspace(-1, 1, 29)
    found, expected = policy(batch), plain(batch)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
    assert (expected - PolicySettings(BASE).load()(batch)).abs().max() > 0.1
    (found * weights).sum().backward()
    (expected * weights).sum().backward()
    gradients = {name: parameter.grad for name, parameter in plain.named_parameters() if parameter.requires_grad}
    assert len(gradients) == 4 * 4 * 2
    for name, parameter in policy.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, gradients.pop(name), rtol=1e-4, atol=1e-5)
    assert not gradients


@KINDS
def test_3_a_logprob_is_the_same_in_any_company(quantization: QuantizationSettings) -> None:
    policy = quantised(quantization)
    together = policy(whole_batch()).detach()
    assert torch.equal(policy.eval()(whole_batch()), together), "in evaluation as in training"
    rows = {}
    for batch in pack(groups(), 24):
        values = policy(batch).detach()
        rows |= {name: values[batch.sequence_index == number] for number, name in enumerate(batch.sequences)}
    apart = torch.cat([rows[name] for name in whole_batch().sequences])
    torch.testing.assert_close(apart, together, rtol=0, atol=5e-6)


@KINDS
def test_3_the_engine_draws_from_what_is_trained(quantization: QuantizationSettings) -> None:
    policy = quantised(quantization)
    engine = TransformersEngine(policy.model, stop_ids=[3])
    randomised(policy)
    with torch.no_grad():
        for _, tensor in full_weights(policy.model):
            tensor.add_(0.05)
    engine.update_weights(full_weights(policy.model), 1)
    prompt = groups()[0].prompt_ids
    # One conversation by itself: its tokens are run one at a time, where bitsandbytes would take other kernels.
    engine.submit(GenerationRequest(0, prompt, seed=7), SamplingSettings(1.0, 20))
    [done] = engine.wait()
    count = len(done.token_ids)
    [batch] = pack([PromptGroup(prompt, (Continuation(done.token_ids, (True,) * count),))], 64)
    torch.testing.assert_close(torch.tensor(done.logprobs), policy(batch).detach(), rtol=0, atol=5e-6)
    bits = {
        name: parameter for name, parameter in engine._model.named_parameters() if not parameter.is_floating_point()
    }
    own = dict(policy.model.named_parameters())
    assert len(bits) == 4 * 7
    assert all(parameter.data_ptr() == own[name].data_ptr() for name, parameter in bits.items()), "no second copy"


@KINDS
def test_4_exported_and_read_again_it_is_the_same_policy(quantization: QuantizationSettings, tmp_path: Path) -> None:
    policy, settings = quantised(quantization), PolicySettings(BASE, lora=LORA, quantization=quantization)
    save_adapters(policy, settings, tmp_path / "adapters")
    merged_model(policy, settings).save_pretrained(tmp_path / "merged")
    batch = whole_batch()
    again, merged = PolicySettings(tmp_path / "adapters"), PolicySettings(tmp_path / "merged")
    assert torch.equal(again.load()(batch), policy(batch)), "quantised as it was trained, though nobody says so"
    torch.testing.assert_close(merged.load()(batch), policy(batch), rtol=0, atol=1e-5)
    as_they_are = PolicySettings(tmp_path / "adapters", quantization=QuantizationSettings(QuantizationKind.NONE))
    assert (as_they_are.load()(batch) - policy(batch)).abs().max() > 0.01


def test_5_nothing_whole_is_kept(tmp_path: Path) -> None:
    policy = quantised(NF4)
    size = sum(
        parameter.numel() * parameter.element_size()
        for parameter in policy.parameters()
        if not parameter.is_floating_point()
    )
    num_weights = sum(m.in_features * m.out_features for m in policy.modules() if isinstance(m, QuantisedLinear))
    assert size == num_weights / 2
    shapes = {(m.out_features, m.in_features) for m in policy.modules() if isinstance(m, QuantisedLinear)}
    kept: set[tuple[int, ...]] = set()

    def pack_hook(tensor: Tensor) -> Tensor:
        kept.add(tuple(tensor.shape))
        return tensor

    with saved_tensors_hooks(pack_hook, lambda tensor: tensor):
        policy(whole_batch())
    assert kept
    assert not kept & (shapes | {shape[::-1] for shape in shapes})
    trained = {name for name, parameter in policy.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in policy.named_parameters() if "lora_" in name}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_5_under_autocast_products_are_bfloat16_and_gradients_float32(dtype: str) -> None:
    settings = PolicySettings(BASE, dtype=dtype, lora=LORA, quantization=NF4)  # pyright: ignore[reportArgumentType]
    policy = randomised(settings.load()).train()
    with torch.autocast("cpu", torch.bfloat16):
        policy(whole_batch()).sum().backward()
    gradients = [parameter.grad for parameter in policy.parameters() if parameter.requires_grad]
    assert all(gradient is not None and gradient.dtype == torch.float32 for gradient in gradients)
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_6_what_cannot_be_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = PolicySettings(BASE, quantization=NF4).load()
    with pytest.raises(ValueError, match=r"expected trainable weights in the policy, got none; check .*lora"):
        build_optimizer(alone, OptimizerSettings())
    adapters = tmp_path / "adapters"
    save_adapters(quantised(NF4), PolicySettings(BASE, lora=LORA, quantization=NF4), adapters)
    (adapters / "lit_grpo_base.json").write_text('{"quantization": {"kind": "fp3", "double_quant": true}}')
    with pytest.raises(ValueError, match=r"expected a quantisation of nf4, int8, none, got .*fp3"):
        PolicySettings(adapters).load()
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    monkeypatch.setattr("lit_grpo.modules.quantization.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'lit-grpo\[bitsandbytes\]'"):
        PolicySettings(BASE, lora=LORA, quantization=NF4).load()


def test_6_a_checkpoint_that_is_quantised_already(tmp_path: Path) -> None:
    config = NF4.for_transformers(torch.float32)
    model = AutoModelForCausalLM.from_pretrained(BASE, quantization_config=config, dtype=torch.float32)
    model.save_pretrained(tmp_path)
    batch = whole_batch()
    stored = randomised(PolicySettings(tmp_path, lora=LORA).load())
    assert torch.equal(stored(batch), quantised(NF4)(batch))
    with pytest.raises(ValueError, match="expected none for weights that are quantised already, got int8"):
        PolicySettings(tmp_path, lora=LORA, quantization=INT8).load()
