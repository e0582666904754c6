"""The rollout engine on a GPU.

1. Greedy turns equal those of the same network on the CPU in float32, over turns; where they part, the CPU's two best
   tokens are within rounding of each other.
2. A sampled token's log-prob is that of the plain pass on the GPU, temperature included.
3. A token of probability zero is never drawn, from a vocabulary of 49,152.
4. A bfloat16 copy of a float32 network stays near its plain pass, keeps its rotary frequencies, and takes new float32
   weights.
5. Graphs give the tokens of plain steps, over turns, with adapters, after new weights, and in other sizes of batch;
   their memory is reused.
"""

from collections.abc import Sequence
from random import Random

import pytest
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from lit_grpo.engines.engine import Completion, GenerationRequest, SamplingSettings
from lit_grpo.engines.sampling import RowSampling, draw
from lit_grpo.engines.transformers.decoding import plain_steps
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.modules.adapters import LoraSettings
from lit_grpo.modules.policy import CausalPolicy

STOP, VOCABULARY = 7, 400
GREEDY = SamplingSettings(temperature=0.0, max_completion_tokens=24)
WARM = SamplingSettings(temperature=1.3, max_completion_tokens=24)


def on_device(model: PreTrainedModel) -> PreTrainedModel:
    """The model on the GPU; its own ``cuda`` is wrapped by transformers, and has lost its type."""
    nn.Module.cuda(model)
    return model


def network() -> PreTrainedModel:
    """Logits spread enough that a wrong key shows."""
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    )
    model = Qwen3ForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0 if parameter.dim() == 2 else 1.0)
    return model


def ids(rng: Random, length: int) -> tuple[int, ...]:
    return tuple(rng.randrange(10, VOCABULARY) for _ in range(length))


def grouped_contexts(rng: Random) -> dict[int, tuple[int, ...]]:
    """Five prompts of unequal lengths, four conversations each."""
    prompts = [ids(rng, rng.randrange(5, 300)) for _ in range(5)]
    return {4 * number + sample: prompt for number, prompt in enumerate(prompts) for sample in range(4)}


def play(
    engine: TransformersEngine, contexts: dict[int, tuple[int, ...]], sampling: SamplingSettings, turn: int
) -> dict[int, Completion]:
    for key, context in contexts.items():
        engine.submit(GenerationRequest(key, context, seed=1000 * turn + key), sampling)
    return {completion.conversation: completion for completion in engine.wait()}


@torch.no_grad()
def distributions(model: PreTrainedModel, context: Sequence[int], completion: Sequence[int], warmth: float) -> Tensor:
    """[completion, vocabulary] log-probs that each token of it was drawn from, from one plain pass."""
    tokens = torch.tensor([[*context, *completion]], device=model.device)
    return (model(tokens).logits[0, len(context) - 1 : -1].float() / warmth).log_softmax(-1)


def test_1_greedy_turns_equal_the_cpu() -> None:
    model, rng = network(), Random(1)
    contexts = grouped_contexts(rng)
    on_cpu, on_gpu = TransformersEngine(model, {STOP}), TransformersEngine(on_device(network()), {STOP})
    num_equal = num_all = 0
    for turn in range(3):
        expected, found = play(on_cpu, contexts, GREEDY, turn), play(on_gpu, contexts, GREEDY, turn)
        for key, completion in expected.items():
            ours, theirs = completion.token_ids, found[key].token_ids
            num_all, num_equal = num_all + 1, num_equal + (ours == theirs)
            if ours != theirs:
                at = next(i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1])
                best = distributions(model, contexts[key], ours, 1.0)[at].topk(2).values
                assert best[0] - best[1] < 1e-4
        contexts = {key: contexts[key] + c.token_ids + ids(rng, 5) for key, c in expected.items()}
    assert num_equal >= 0.9 * num_all


def test_2_logprobs_are_those_of_the_plain_pass() -> None:
    model, rng = on_device(network()), Random(2)
    engine, contexts = TransformersEngine(model, {STOP}), grouped_contexts(rng)
    for turn in range(3):
        completions = play(engine, contexts, WARM, turn)
        for key, completion in completions.items():
            plain = distributions(model, contexts[key], completion.token_ids, 1.3)
            drawn = plain.gather(1, torch.tensor(completion.token_ids, device="cuda")[:, None]).squeeze(1)
            torch.testing.assert_close(torch.tensor(completion.logprobs), drawn.cpu(), atol=2e-4, rtol=1e-4)
        contexts = {key: contexts[key] + c.token_ids + ids(rng, 5) for key, c in completions.items() if key % 3}


def test_3_what_has_no_probability_is_not_drawn() -> None:
    rows, vocabulary = 4096, 49_152
    generator = torch.Generator("cuda").manual_seed(0)
    logits = torch.randn(rows, vocabulary, device="cuda", generator=generator)
    impossible = torch.rand(rows, vocabulary, device="cuda", generator=generator) < 0.5
    logits[impossible] = -torch.inf
    uniforms = torch.rand(rows, device="cuda", generator=generator)
    uniforms[:2] = torch.tensor([0.0, 1 - 2**-24])
    tokens, logprobs = draw(logits, RowSampling.of([WARM] * rows, torch.device("cuda")), uniforms)
    assert tokens.max() < vocabulary
    assert not impossible.gather(1, tokens[:, None]).any()
    assert logprobs.isfinite().all()


def test_4_a_bfloat16_copy_of_a_float32_network() -> None:
    model, rng = on_device(network()), Random(3)
    engine = TransformersEngine(model, {STOP}, dtype=torch.bfloat16)
    engine.update_weights(((name, parameter / 4) for name, parameter in model.named_parameters()), policy_version=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.div_(4)
    contexts = grouped_contexts(rng)
    differences: list[Tensor] = []
    for key, completion in play(engine, contexts, WARM, 0).items():
        plain = distributions(model, contexts[key], completion.token_ids, 1.3)
        drawn = plain.gather(1, torch.tensor(completion.token_ids, device="cuda")[:, None]).squeeze(1)
        differences.append((torch.tensor(completion.logprobs) - drawn.cpu()).abs())
    assert 0 < torch.cat(differences).mean() < 0.02
    assert torch.cat(differences).max() < 0.2


@pytest.mark.parametrize("lora", [None, LoraSettings(r=4)])
def test_5_graphs_give_the_tokens_of_plain_steps(lora: LoraSettings | None) -> None:
    rng = Random(5)
    policy = CausalPolicy(network(), lora).cuda()
    stops = {STOP, *range(10, 50)}
    graphed, plain = (TransformersEngine(policy.model, stops, stepping=stepping) for stepping in (None, plain_steps))
    reserved: list[int] = []
    for collection in range(6):
        weights = [(name, p.detach() * 1.01) for name, p in policy.model.named_parameters()]
        contexts = grouped_contexts(rng)
        for engine in (graphed, plain):
            engine.update_weights(weights, policy_version=collection)
        for turn in range(3):
            expected, found = play(plain, contexts, WARM, turn), play(graphed, contexts, WARM, turn)
            assert len({len(completion.token_ids) for completion in expected.values()}) > 1
            equal = [expected[key].token_ids == found[key].token_ids for key in contexts]
            assert sum(equal) >= len(equal) - 1
            for key, is_equal in zip(contexts, equal, strict=True):
                ours, theirs = (torch.tensor(results[key].logprobs) for results in (found, expected))
                assert not is_equal or (ours - theirs).abs().max() < 2e-4
            kept = [key for key, is_equal in zip(contexts, equal, strict=True) if is_equal and key % 4 != turn]
            contexts = {key: contexts[key] + expected[key].token_ids + ids(rng, 5) for key in kept}
        for engine in (graphed, plain):
            engine.release()
        reserved.append(torch.cuda.memory_reserved())
    assert reserved[-1] <= reserved[2] * 1.2
