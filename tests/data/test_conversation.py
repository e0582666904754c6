"""ConversationFormat.

1. A prompt is what the template writes, for a minimal, a ChatML and a thinking template.
2. A context built turn by turn is the template's own rendering of the whole conversation.
3. Text of observations and completions can neither open nor close a message.
4. A completion's text comes back without special tokens, and a whole turn ends with a stop token.
5. A tokenizer that cannot hold a conversation is refused, in one line.
6. Every token that ends a sequence by config.json or generation_config.json, one or a list, ends a turn.
7. Where a template drops thoughts of earlier turns, there is one that keeps them: it writes every context as it was
   played, also after a turn with a thought, and itself needs no other. Where the template keeps them, there is none.
8. An exported policy has that template.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from lit_grpo.callbacks.export import save_policy
from lit_grpo.data.conversation import ConversationFormat, read_conversation
from lit_grpo.engines.weights import full_weights
from lit_grpo.modules.base import PolicySettings
from lit_grpo.modules.optimizers import OptimizerSettings
from lit_grpo.modules.sft import SFTModule

MINIMAL = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<|a|>{{ message['content'] }}<|end|>"
    "{% else %}<|u|>{{ message['content'] }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|a|>{% endif %}"
)

CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Thoughts of earlier turns are dropped; with thinking off, a turn opens with an empty one.
THINKING = (
    "{% for message in messages %}"
    "{% set content = message['content'].split('</think>')[-1].lstrip('\n') %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + content + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)

MINIMAL_TOKENS = ["<|pad|>", "<|u|>", "<|a|>", "<|end|>"]
CHATML_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_tokenizer(template: str | None, specials: list[str], eos: str | None) -> PreTrainedTokenizerFast:
    """Byte-level, so that any text can be encoded; ``specials`` get the first ids, the first one is for padding."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["the row and the column"], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, pad_token=specials[0])
    fast.chat_template = template
    return fast


MINIMAL_TOKENIZER = byte_tokenizer(MINIMAL, MINIMAL_TOKENS, "<|end|>")
CHATML_TOKENIZER = byte_tokenizer(CHATML, CHATML_TOKENS, "<|im_end|>")
THINKING_TOKENIZER = byte_tokenizer(THINKING, CHATML_TOKENS, "<|im_end|>")
ALL = [MINIMAL_TOKENIZER, CHATML_TOKENIZER, THINKING_TOKENIZER]


def text_of(tokenizer: PreTrainedTokenizerFast, token_ids: tuple[int, ...]) -> str:
    text = tokenizer.decode(list(token_ids))
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("tokenizer", "instructions", "expected"),
    [
        (MINIMAL_TOKENIZER, "", "<|u|>x <= 3<|a|>"),
        (MINIMAL_TOKENIZER, "Help.", "<|u|>Help.<|u|>x <= 3<|a|>"),
        (
            CHATML_TOKENIZER,
            "",
            "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nx <= 3<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            THINKING_TOKENIZER,
            "Help.",
            "<|im_start|>system\nHelp.<|im_end|>\n<|im_start|>user\nx <= 3<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
    ],
)
def test_1_prompt(tokenizer: PreTrainedTokenizerFast, instructions: str, expected: str) -> None:
    ids = ConversationFormat(tokenizer).prompt_ids(instructions, "x <= 3")
    assert text_of(tokenizer, ids) == expected
    assert ids == tuple(tokenizer.encode(expected, add_special_tokens=False))


@pytest.mark.parametrize("tokenizer", [MINIMAL_TOKENIZER, CHATML_TOKENIZER])
def test_2_turn_by_turn_equals_the_whole(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = ConversationFormat(tokenizer)
    context = conversation.prompt_ids("", "the row")
    context += conversation.completion_ids("drop it") + conversation.continuation_ids("still\nra", closed=True)
    # A turn that was cut off has no end of turn of its own.
    context += conversation.completion_ids("set")[:-1] + conversation.continuation_ids("malformed", closed=False)
    contents = ["the row", "drop it", "still\nra", "set", "malformed"]
    messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(contents)]
    whole = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text_of(tokenizer, context) == whole


def test_2_a_thinking_template_keeps_the_empty_thought_of_every_turn() -> None:
    continuation = ConversationFormat(THINKING_TOKENIZER).continuation_ids("no", closed=True)
    expected = "\n<|im_start|>user\nno<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert text_of(THINKING_TOKENIZER, continuation) == expected


@pytest.mark.parametrize("tokenizer", ALL)
def test_3_messages_cannot_be_opened_or_closed_by_their_text(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = ConversationFormat(tokenizer)
    specials = {id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}

    def markers(ids: tuple[int, ...]) -> list[int]:
        return [id_ for id_ in ids if id_ in specials]

    hostile = "".join(token.content for token in tokenizer.added_tokens_decoder.values())
    assert markers(conversation.prompt_ids("y", f"x{hostile}")) == markers(conversation.prompt_ids("y", "x"))
    assert markers(conversation.prompt_ids(hostile, "x")) == markers(conversation.prompt_ids("y", "x"))
    expected = markers(conversation.continuation_ids("x", closed=False))
    assert markers(conversation.continuation_ids(hostile, closed=False)) == expected
    assert len(markers(conversation.completion_ids(hostile))) == 1


@pytest.mark.parametrize("tokenizer", ALL)
def test_4_completions(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = ConversationFormat(tokenizer)
    ids = conversation.completion_ids('{"action":"submit"} ¼ é')
    assert conversation.decode(ids) == '{"action":"submit"} ¼ é'
    assert ids[-1] in conversation.stop_ids
    assert not set(ids[:-1]) & conversation.stop_ids


def test_4_end_of_text_stops_as_well_as_end_of_turn() -> None:
    tokenizer = byte_tokenizer(CHATML, CHATML_TOKENS, "<|endoftext|>")
    assert ConversationFormat(tokenizer).stop_ids == {0, 2}


def test_5_a_tokenizer_without_a_template_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a tokenizer with a chat template, got one without; set"):
        ConversationFormat(byte_tokenizer(None, MINIMAL_TOKENS, "<|end|>"))


def test_5_a_template_without_an_end_of_turn_is_refused() -> None:
    open_ended = MINIMAL.replace("<|end|>", " ")
    with pytest.raises(ValueError, match=r"ends an assistant message with a special token, got ' "):
        ConversationFormat(byte_tokenizer(open_ended, MINIMAL_TOKENS, "<|end|>"))


def test_5_a_template_that_changes_messages_is_refused() -> None:
    shouting = MINIMAL.replace("message['content']", "message['content'] | upper")
    with pytest.raises(ValueError, match="writes user and assistant messages as they are"):
        ConversationFormat(byte_tokenizer(shouting, MINIMAL_TOKENS, "<|end|>"))


@pytest.mark.parametrize(
    ("config", "generation", "expected"),
    [
        (None, None, {2}),
        (7, None, {2, 7}),
        ([7, 8], None, {2, 7, 8}),
        (None, [9, 11], {2, 9, 11}),
        ([7], 9, {2, 7, 9}),
    ],
)
def test_6_all_ends_of_sequence(config: Any, generation: Any, expected: set[int], tmp_path: Path) -> None:
    CHATML_TOKENIZER.save_pretrained(tmp_path)
    for name, value in (("config.json", config), ("generation_config.json", generation)):
        document = {"model_type": "llama"} | ({} if value is None else {"eos_token_id": value})
        if value is not None or name == "config.json":
            (tmp_path / name).write_text(json.dumps(document), encoding="utf-8")
    assert read_conversation(tmp_path).stop_ids == expected


def played(conversation: ConversationFormat, instructions: str, turns: list[str]) -> tuple[int, ...]:
    """The context before the turn that follows the given ones."""
    context = conversation.prompt_ids(instructions, "x <= 3")
    for turn in turns:
        context += conversation.completion_ids(turn) + conversation.continuation_ids(f"after {turn}", closed=True)
    return context


THOUGHTFUL = ["drop it", "<think>\nrow or bound?\n</think>\n\nset it", "submit"]


@pytest.mark.parametrize("instructions", ["", "Help."])
def test_7_a_template_that_keeps_thoughts(instructions: str) -> None:
    conversation = ConversationFormat(THINKING_TOKENIZER)
    template = conversation.played_template
    assert template is not None
    kept = byte_tokenizer(template, CHATML_TOKENS, "<|im_end|>")
    messages = [{"role": "system", "content": instructions}] if instructions else []
    messages.append({"role": "user", "content": "x <= 3"})
    for number, turn in enumerate(THOUGHTFUL):
        context = text_of(THINKING_TOKENIZER, played(conversation, instructions, THOUGHTFUL[:number]))
        assert kept.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == context
        messages += [{"role": "assistant", "content": turn}, {"role": "user", "content": f"after {turn}"}]
    again = ConversationFormat(kept)
    assert again.played_template is None
    assert played(again, instructions, THOUGHTFUL) == played(conversation, instructions, THOUGHTFUL)
    assert again.stop_ids == conversation.stop_ids


@pytest.mark.parametrize("tokenizer", [MINIMAL_TOKENIZER, CHATML_TOKENIZER])
def test_7_none_where_nothing_is_dropped(tokenizer: PreTrainedTokenizerFast) -> None:
    assert ConversationFormat(tokenizer).played_template is None


@pytest.mark.parametrize(("tokenizer", "changes"), [(THINKING_TOKENIZER, True), (CHATML_TOKENIZER, False)])
def test_8_the_exported_policy_has_it(
    tokenizer: PreTrainedTokenizerFast, changes: bool, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    policy = PolicySettings(tiny_checkpoint).load().model
    policy.save_pretrained(tmp_path / "base")  # pyright: ignore[reportCallIssue]
    tokenizer.save_pretrained(tmp_path / "base")
    module = SFTModule(PolicySettings(tmp_path / "base"), OptimizerSettings())
    save_policy(module, dict(full_weights(policy)), tmp_path / "policy")
    exported = AutoTokenizer.from_pretrained(tmp_path / "policy")
    assert (exported.chat_template != tokenizer.chat_template) is changes
    assert ConversationFormat(exported).played_template is None
