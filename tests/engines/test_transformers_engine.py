"""TransformersEngine against the plain pass of the same model.

1. Greedy tokens and log-probs equal those of plain decoding, over turns, for Qwen3 and Llama, whether prompts are
   padded to the longest or looked at one by one.
2. Each sampled token's log-prob is that of the distribution it was drawn from, temperature included.
3. A draw depends on seed and position: not on the order of requests, nor on who else is in the batch.
4. Turns end at a stop token or at the limit, whichever is first.
5. A context that does not fit is refused on submission.
6. New weights are used at once, old keys and values are not; unknown names are refused; the given model is left alone.
7. A model in bfloat16 stays near its plain pass.
8. Prompts are run once per group, whatever the group's size.
9. Steps of fixed shapes, which a graph can hold, give the tokens of the plain ones, over turns and as rows end.
10. A copy in another dtype keeps its rotary frequencies and its tied head, and takes new weights in theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
import torch
from tiny_models import llama, qwen3
from transformers import PreTrainedModel

from lit_grpo.engines.engine import Completion, FinishReason, GenerationRequest, SamplingSettings
from lit_grpo.engines.transformers import engine as transformers_engine
from lit_grpo.engines.transformers import shared_prefix
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.transformers.graphs import fixed_steps
from lit_grpo.engines.transformers.kv_cache import KeyValues

STOP = 7
GREEDY = SamplingSettings(temperature=0.0, max_completion_tokens=9)
WARM = SamplingSettings(temperature=1.3, max_completion_tokens=9)


def ids(rng: Random, length: int) -> tuple[int, ...]:
    return tuple(rng.randrange(10, 300) for _ in range(length))


def plain_logprobs(
    model: PreTrainedModel, context: Sequence[int], completion: Sequence[int], temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """[completion] log-probs of one whole pass without any cache."""
    with torch.no_grad():
        logits = model(torch.tensor([[*context, *completion]])).logits[0] / temperature
    predicted = logits[len(context) - 1 : -1].log_softmax(-1)
    return predicted.gather(1, torch.tensor(completion)[:, None]).squeeze(1), predicted


def plain_greedy(model: PreTrainedModel, context: Sequence[int], limit: int) -> tuple[int, ...]:
    completion: list[int] = []
    while len(completion) < limit and STOP not in completion:
        with torch.no_grad():
            completion.append(int(model(torch.tensor([[*context, *completion]])).logits[0, -1].argmax()))
    return tuple(completion)


def play(
    engine: TransformersEngine,
    contexts: dict[int, tuple[int, ...]],
    sampling: SamplingSettings,
    turn: int = 0,
    order: Sequence[int] | None = None,
) -> dict[int, Completion]:
    for key in order or list(contexts):
        engine.submit(GenerationRequest(key, contexts[key], seed=1000 * turn + key), sampling)
    return {completion.conversation: completion for completion in engine.wait()}


def grouped_contexts(rng: Random, prompts: int = 3, group: int = 4) -> dict[int, tuple[int, ...]]:
    texts = [ids(rng, rng.randrange(1, 40)) for _ in range(prompts)]
    return {prompt * group + sample: texts[prompt] for prompt in range(prompts) for sample in range(group)}


@pytest.mark.parametrize("most_padding", [0.0, 1e9], ids=["apart", "padded"])
@pytest.mark.parametrize("build", [qwen3, llama])
@pytest.mark.parametrize("sampling", [GREEDY, WARM])
def test_1_2_equals_the_plain_pass_over_turns(
    build: Callable[[], PreTrainedModel],
    sampling: SamplingSettings,
    most_padding: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_prefix, "MOST_PADDING", most_padding)
    model, rng = build(), Random(1)
    engine = TransformersEngine(model, {STOP})
    contexts = grouped_contexts(rng)
    for turn in range(3):
        # Some conversations end early, so that a later turn's batch is a part of the cache, and in another order.
        for key in list(contexts)[:: turn + 2] if turn else []:
            del contexts[key]
        order = sorted(contexts, key=lambda key: (key * 7) % 5)
        for key, completion in play(engine, contexts, sampling, turn, order).items():
            context, temperature = contexts[key], sampling.temperature or 1.0
            expected, distribution = plain_logprobs(model, context, completion.token_ids, temperature)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-5, rtol=1e-5)
            if sampling is GREEDY:
                assert completion.token_ids == plain_greedy(model, context, sampling.max_completion_tokens)
                assert list(completion.token_ids) == distribution.argmax(1).tolist()
            contexts[key] = context + completion.token_ids + ids(rng, rng.randrange(1, 12))


@pytest.mark.parametrize(("lengths", "apart"), [((60, 62, 63), 0), ((3, 60, 5), 3)], ids=["alike", "unlike"])
def test_1_which_of_the_two(lengths: Sequence[int], apart: int, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[int] = []
    causal, attend_apart = shared_prefix._causal, shared_prefix.attend_apart
    monkeypatch.setattr(shared_prefix, "_causal", lambda query, *a: (passes.append(len(query)), causal(query, *a))[1])
    decoded: list[int] = []

    def counted(query: torch.Tensor, kv: KeyValues, parts: Sequence[Any]) -> Any:
        decoded.append(len(parts))
        return attend_apart(query, kv, parts)

    monkeypatch.setattr(shared_prefix, "attend_apart", counted)
    rng, model = Random(5), qwen3()
    play(TransformersEngine(model, {STOP}), {key: ids(rng, length) for key, length in enumerate(lengths)}, GREEDY)
    num_layers = model.config.num_hidden_layers
    assert passes == ([1] * 3 * num_layers if apart else [3] * num_layers)
    assert set(decoded[:num_layers]) == ({apart} if apart else set())


def test_1_new_conversations_may_join_old_ones() -> None:
    model, rng = qwen3(), Random(2)
    engine = TransformersEngine(model, {STOP})
    contexts = grouped_contexts(rng)
    for key, completion in play(engine, contexts, WARM).items():
        contexts[key] += completion.token_ids + ids(rng, 5)
    contexts |= {100: ids(rng, 60), 101: ids(rng, 3)}
    for key, completion in play(engine, contexts, WARM, turn=1).items():
        expected, _ = plain_logprobs(model, contexts[key], completion.token_ids, 1.3)
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-5, rtol=1e-5)


def test_1_a_conversation_key_with_another_context_starts_anew() -> None:
    model, rng = qwen3(), Random(3)
    engine = TransformersEngine(model, {STOP})
    play(engine, {0: ids(rng, 20)}, WARM)
    context = ids(rng, 20)
    completion = play(engine, {0: context}, WARM, turn=1)[0]
    expected, _ = plain_logprobs(model, context, completion.token_ids, 1.3)
    torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-5, rtol=1e-5)


def test_3_draws_depend_on_seed_and_position_only() -> None:
    model, rng = qwen3(), Random(4)
    contexts = grouped_contexts(rng, prompts=4, group=6)
    together = play(TransformersEngine(model, {STOP}), contexts, WARM)
    shuffled = play(TransformersEngine(model, {STOP}), contexts, WARM, order=Random(0).sample(sorted(contexts), 24))
    alone = {key: play(TransformersEngine(model, {STOP}), {key: contexts[key]}, WARM)[key] for key in (0, 7, 23)}
    assert {key: c.token_ids for key, c in shuffled.items()} == {key: c.token_ids for key, c in together.items()}
    assert all(alone[key].token_ids == together[key].token_ids for key in alone)
    assert len({together[key].token_ids for key in range(6)}) > 1, "samples of one prompt must differ"


def test_3_completions_come_in_order_of_submission() -> None:
    engine = TransformersEngine(qwen3(), {STOP})
    for key in (5, 2, 9):
        engine.submit(GenerationRequest(key, (10, 11, key + 20), seed=key), WARM)
    assert [completion.conversation for completion in engine.wait()] == [5, 2, 9]
    assert engine.wait() == []


def test_4_stop_token_or_limit() -> None:
    model, rng = qwen3(), Random(5)
    context = ids(rng, 10)
    free = play(TransformersEngine(model, {STOP}), {0: context}, WARM)[0].token_ids
    third = free[2]
    assert third not in free[:2], "pick another seed: the stop token must not come earlier"
    stopped = play(TransformersEngine(model, {third}), {0: context}, WARM)[0]
    assert (stopped.token_ids, stopped.finish_reason) == (free[:3], FinishReason.STOP)
    short = SamplingSettings(WARM.temperature, max_completion_tokens=2)
    cut = play(TransformersEngine(model, {third}), {0: context}, short)[0]
    assert (cut.token_ids, cut.finish_reason) == (free[:2], FinishReason.LENGTH)


def test_4_requests_of_one_batch_may_have_different_sampling() -> None:
    model, rng = qwen3(), Random(6)
    engine = TransformersEngine(model, {STOP})
    contexts = [ids(rng, 12), ids(rng, 17), ids(rng, 8)]
    settings = [GREEDY, WARM, SamplingSettings(0.5, 3)]
    for key, (context, sampling) in enumerate(zip(contexts, settings, strict=True)):
        engine.submit(GenerationRequest(key, context, seed=key), sampling)
    for completion, context, sampling in zip(engine.wait(), contexts, settings, strict=True):
        expected, _ = plain_logprobs(model, context, completion.token_ids, sampling.temperature or 1.0)
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-5, rtol=1e-5)
        assert len(completion.token_ids) <= sampling.max_completion_tokens


def test_5_a_context_that_does_not_fit_is_refused() -> None:
    engine = TransformersEngine(qwen3(), {STOP}, max_context_tokens=20)
    assert TransformersEngine(qwen3(), {STOP}).max_context_tokens == 256
    engine.submit(GenerationRequest(0, tuple(range(10, 21)), seed=0), GREEDY)
    with pytest.raises(ValueError, match=r"within max_context_tokens=20, got 12 \+ 9 tokens; lower"):
        engine.submit(GenerationRequest(1, tuple(range(10, 22)), seed=0), GREEDY)
    with pytest.raises(ValueError, match="stop token"):
        TransformersEngine(qwen3(), set())


@pytest.mark.parametrize("build", [qwen3, llama])
def test_6_new_weights_replace_the_old_ones(build: Callable[[int], PreTrainedModel]) -> None:
    old, new, rng = build(0), build(1), Random(7)
    before = {name: tensor.clone() for name, tensor in old.state_dict().items()}
    engine = TransformersEngine(old, {STOP})
    contexts = grouped_contexts(rng)
    for key, completion in play(engine, contexts, WARM).items():
        assert completion.policy_version == 0
        contexts[key] += (*completion.token_ids, 10)
    # named_parameters has a tied weight once, under the name of the embedding.
    engine.update_weights(new.named_parameters(), policy_version=3)
    for key, completion in play(engine, contexts, WARM, turn=1).items():
        expected, _ = plain_logprobs(new, contexts[key], completion.token_ids, 1.3)
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-5, rtol=1e-5)
        assert completion.policy_version == 3
    assert all(torch.equal(tensor, before[name]) for name, tensor in old.state_dict().items())
    with pytest.raises(KeyError, match="no_such_weight"):
        engine.update_weights([("no_such_weight", torch.zeros(1))], policy_version=4)


def test_7_bfloat16() -> None:
    model, rng = qwen3(), Random(9)
    torch.nn.Module.to(model, torch.bfloat16)
    engine = TransformersEngine(model, {STOP})
    contexts = grouped_contexts(rng)
    differences = []
    for turn in range(2):
        for key, completion in play(engine, contexts, WARM, turn).items():
            expected, _ = plain_logprobs(model, contexts[key], completion.token_ids, 1.3)
            differences.append((torch.tensor(completion.logprobs) - expected.float()).abs())
            contexts[key] += completion.token_ids + ids(rng, 5)
    assert torch.cat(differences).mean() < 0.05


def test_8_a_prompt_is_run_once_per_group(monkeypatch: pytest.MonkeyPatch) -> None:
    model = qwen3()
    engine = TransformersEngine(model, {STOP})
    lengths: list[int] = []
    engine._model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    contexts = {key: ids(Random(key // 8), 30) for key in range(16)}
    play(engine, contexts, SamplingSettings(1.0, max_completion_tokens=2))
    assert lengths[0] == 60, "two prompts of 30 tokens, not sixteen"
    assert sum(lengths[1:]) <= 16, "then one token of each of the sixteen"
    # Portions of the prefill change nothing.
    monkeypatch.setattr(transformers_engine, "PREFILL_TOKENS", 32)
    portions = play(TransformersEngine(model, {STOP}), contexts, WARM)
    monkeypatch.undo()
    whole = play(TransformersEngine(model, {STOP}), contexts, WARM)
    assert {key: c.token_ids for key, c in portions.items()} == {key: c.token_ids for key, c in whole.items()}


@pytest.mark.parametrize("build", [qwen3, llama])
def test_9_steps_of_fixed_shapes_give_the_same(build: Callable[[], PreTrainedModel]) -> None:
    model, rng = build(), Random(9)
    engines = [TransformersEngine(model, {STOP, *range(10, 40)}, stepping=stepping) for stepping in (None, fixed_steps)]
    contexts = grouped_contexts(rng)
    for turn in range(4):
        plain, fixed = (play(engine, contexts, WARM, turn) for engine in engines)
        for key, completion in plain.items():
            assert fixed[key].token_ids == completion.token_ids
            torch.testing.assert_close(
                torch.tensor(fixed[key].logprobs), torch.tensor(completion.logprobs), atol=1e-5, rtol=1e-5
            )
        lengths = {len(completion.token_ids) for completion in plain.values()}
        assert len(lengths) > 1
        # Conversations end, so that a later turn works on a part of the cache.
        contexts = {
            key: contexts[key] + completion.token_ids + ids(rng, rng.randrange(1, 12))
            for key, completion in plain.items()
            if key % 4 != turn
        }


def test_10_a_copy_in_another_dtype() -> None:
    model, rng = qwen3(), Random(10)
    engine = TransformersEngine(model, {STOP}, dtype=torch.bfloat16)
    reference = qwen3()
    torch.nn.Module.to(reference, torch.bfloat16)
    for name, buffer in model.named_buffers():
        reference.get_submodule(name.rpartition(".")[0]).register_buffer(name.rpartition(".")[2], buffer.clone())
    contexts = grouped_contexts(rng)
    engine.update_weights(((name, parameter.detach()) for name, parameter in model.named_parameters()), 1)
    as_bfloat16 = TransformersEngine(reference, {STOP})
    expected = play(as_bfloat16, contexts, WARM)
    for key, completion in play(engine, contexts, WARM).items():
        assert completion.token_ids == expected[key].token_ids
        assert completion.logprobs == expected[key].logprobs
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
