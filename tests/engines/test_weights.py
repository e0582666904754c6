"""full_weights.

1. Of a plain module: its parameters, a tied one once; of a policy with adapters: the adapters, unless all are wanted.
2. An engine takes adapters by their names and samples with them.
"""

from __future__ import annotations

import torch
from peft import LoraConfig, get_peft_model
from tiny_models import qwen3
from torch import nn

from lit_grpo.engines.engine import GenerationRequest, SamplingSettings
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.weights import full_weights


def with_adapters() -> nn.Module:
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    return get_peft_model(qwen3(), config)


def test_1_plain() -> None:
    model = qwen3()
    weights = dict(full_weights(model))
    assert set(weights) == set(model.state_dict()) - {"lm_head.weight"}
    assert not any(tensor.requires_grad for tensor in weights.values())
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in weights.items())


def test_1_adapters() -> None:
    model = with_adapters()
    assert len(list(full_weights(model))) == 2 * 2 * 2
    assert all("lora_" in name for name, _ in full_weights(model))
    assert len(list(full_weights(model, trainable_only=False))) == len(list(model.parameters()))


def test_2_an_engine_takes_adapters() -> None:
    model = with_adapters()
    engine = TransformersEngine(model, {7})
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    engine.update_weights(full_weights(model), policy_version=1)
    prompt = (11, 12, 13, 14, 15)
    engine.submit(GenerationRequest(0, prompt, seed=3), SamplingSettings(1.0, 6))
    (completion,) = engine.wait()
    tokens = torch.tensor([[*prompt, *completion.token_ids]])
    with torch.no_grad():
        logprobs = model.eval()(input_ids=tokens).logits[0].log_softmax(-1)
    expected = logprobs[len(prompt) - 1 : -1].gather(1, tokens[0, len(prompt) :, None])[:, 0]
    torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-5, rtol=1e-5)
