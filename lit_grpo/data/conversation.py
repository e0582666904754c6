"""Chat template arithmetic: the token ids of a prompt, and those that are appended after a sampled turn.

Called by collect.py and by the demonstrations of supervised training, so that both see the same context. Sampled tokens
are never decoded and encoded again: what stands between two turns is taken from the template once, as text around
markers, and only that text and the new observation are encoded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from lit_grpo.data.json_values import read_object
from lit_grpo.data.played_template import Message, keeps_turns, template_as_played
from lit_grpo.data.policy_folder import base_folder, read_tokenizer

_TURN_MARKER = "lit-grpo-turn"
_OBSERVATION_MARKER = "lit-grpo-observation"


class ConversationFormat:
    """How a tokenizer writes a conversation between the environment (user) and the policy (assistant).

    Attributes:
        stop_ids: Tokens that end a turn: the template's own, the tokenizer's end of sequence, and those of the model.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, end_ids: Collection[int] = ()) -> None:
        """Read the template of ``tokenizer``.

        Args:
            tokenizer: A tokenizer with a chat template.
            end_ids: Further tokens that end a turn, as the model is configured.

        Raises:
            ValueError: No chat template, no end-of-turn token after an assistant message, or a template that does not
                write messages as they are.
        """
        if tokenizer.chat_template is None:
            raise ValueError(
                "expected a tokenizer with a chat template, got one without; set tokenizer.chat_template, or take the "
                "tokenizer of an instruction-tuned model"
            )
        self._tokenizer = tokenizer
        special = {token: str(text) for token, text in tokenizer.added_tokens_decoder.items() if text.special}
        self._special_texts = tuple(special.values())
        self._before_observation, self._after_observation = self._template_tail()
        end_of_turn = self._encode(self._before_observation)[:1]
        if not end_of_turn or end_of_turn[0] not in special:
            raise ValueError(
                f"expected a chat template that ends an assistant message with a special token, got "
                f"{self._before_observation!r} after it; add the end-of-turn text to the tokenizer's special tokens"
            )
        end_of_sequence = tokenizer.eos_token_id
        self.stop_ids: frozenset[int] = frozenset(end_of_turn).union(end_ids)
        if isinstance(end_of_sequence, int):
            self.stop_ids |= {end_of_sequence}

    @property
    def played_template(self) -> str | None:
        """A chat template that writes contexts as they are played; None if the tokenizer's own does."""

        def render(messages: Sequence[Message], opens: bool) -> str:
            return self._render(messages, opens)

        if keeps_turns(render):
            return None
        return template_as_played(render, self._before_observation, self._after_observation)

    def prompt_ids(self, instructions: str, observation: str) -> tuple[int, ...]:
        """The context of the first turn, ending where the policy has to speak.

        Args:
            instructions: The system message; none is written if empty (a template may have a default one).
            observation: The first user message.
        """
        messages = [{"role": "system", "content": self._plain(instructions)}] if instructions else []
        messages.append({"role": "user", "content": self._plain(observation)})
        return self._encode(self._render(messages))

    def continuation_ids(self, observation: str, closed: bool) -> tuple[int, ...]:
        """What is appended after a sampled turn: its end, the next user message, and the opening of the next turn.

        Args:
            observation: The user message.
            closed: Whether the turn's last sampled token is a stop token, which is then not written twice.
        """
        ids = self._encode(self._before_observation + self._plain(observation) + self._after_observation)
        return ids[1:] if closed else ids

    def completion_ids(self, text: str) -> tuple[int, ...]:
        """A whole turn as the policy would have sampled it, closed by the end of turn (for demonstrations)."""
        return (*self._encode(self._plain(text)), self._encode(self._before_observation)[0])

    def num_tokens(self, text: str) -> int:
        """How many tokens a message has, without those that open and close it."""
        return len(self._encode(self._plain(text)))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of sampled tokens, without special tokens."""
        text = self._tokenizer.decode(list(token_ids), skip_special_tokens=True)
        assert isinstance(text, str)
        return text

    def _template_tail(self) -> tuple[str, str]:
        """The text between an assistant message and the next user message, and from there to the next turn."""
        messages = [
            {"role": "user", "content": "."},
            {"role": "assistant", "content": _TURN_MARKER},
            {"role": "user", "content": _OBSERVATION_MARKER},
        ]
        _, turn, tail = self._render(messages).partition(_TURN_MARKER)
        before, observation, after = tail.partition(_OBSERVATION_MARKER)
        if not turn or not observation:
            raise ValueError(
                "expected a chat template that writes user and assistant messages as they are, got one that drops or "
                "changes them; set another tokenizer.chat_template"
            )
        return before, after

    def _render(self, messages: Sequence[Message], opens: bool = True) -> str:
        # Templates with a thinking mode open the turn with an empty thought when it is off; others ignore the switch.
        text = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=opens, enable_thinking=False
        )
        assert isinstance(text, str)
        return text

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def _plain(self, text: str) -> str:
        """``text`` that cannot open or close a message: observations repeat what models and files say."""
        for special in self._special_texts:
            text = text.replace(special, f"{special[:1]} {special[1:]}")
        return text


def read_conversation(folder: Path, weights: Path | None = None) -> ConversationFormat:
    """The chat format of a policy's folder, with every token that ends a sequence by its configuration.

    Those are the ``eos_token_id``, one or several, of ``config.json`` and of ``generation_config.json``: a server that
    is given the folder ends turns at them, too.

    Args:
        folder: The policy's folder, of whole weights or of adapters.
        weights: The folder of the whole weights; None: the policy's own, or the base that its adapters name.
    """
    end_ids: set[int] = set()
    for name in ("config.json", "generation_config.json"):
        path = (weights or base_folder(folder)) / name
        if path.is_file():
            found = read_object(path, "fetch or export the policy again").get("eos_token_id")
            end_ids.update([] if found is None else [found] if isinstance(found, int) else found)
    return ConversationFormat(read_tokenizer(folder, weights), end_ids)
