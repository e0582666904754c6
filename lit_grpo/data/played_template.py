"""A chat template that writes a conversation exactly as it is played here.

A template may drop the thoughts of earlier turns when a later one is written (Qwen3's does): what a served model reads
is then not what it was trained on. Contexts here are what was sampled, token for token, so the exported policy gets the
template of this file in the place of one that drops (callbacks/export.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

Message = Mapping[str, str]
Render = Callable[[Sequence[Message], bool], str]
"""Takes messages, and whether the next turn is opened at the end; returns the template's text."""

SYSTEM, OBSERVATION, TURN, NEXT = "lit-grpo-system", "lit-grpo-observation", "lit-grpo-turn", "lit-grpo-next"


def keeps_turns(render: Render) -> bool:
    """Whether what stands before a later turn is, to the letter, what stood there when the earlier one was sampled."""
    first: Message = {"role": "user", "content": OBSERVATION}
    later: Sequence[Message] = [{"role": "assistant", "content": TURN}, {"role": "user", "content": NEXT}]
    thought: Sequence[Message] = [{"role": "assistant", "content": f"<think>\n{TURN}\n</think>\n\n{TURN}"}, later[1]]
    beginnings = [render([first], True) + turns[0]["content"] for turns in (later, thought)]
    wholes = [render([first, *turns], True) for turns in (later, thought)]
    return all(whole.startswith(beginning) for whole, beginning in zip(wholes, beginnings, strict=True))


def template_as_played(render: Render, before_observation: str, after_observation: str) -> str:
    """The template, in Jinja, under which every context is the one that is played.

    Args:
        render: The tokenizer's own template.
        before_observation: What is appended between a turn and the next observation: the end of the turn comes first.
        after_observation: What follows an observation, up to where the policy has to speak.
    """
    user: Message = {"role": "user", "content": OBSERVATION}
    before_first, _, after = render([user], True).partition(OBSERVATION)
    with_system = render([{"role": "system", "content": SYSTEM}, user], True)
    before_system, _, rest = with_system.partition(SYSTEM)
    between, _, _ = rest.partition(OBSERVATION)
    end_of_turn = _end_of_turn(render, user)
    assert after == after_observation, "a first observation ends as later ones do"
    closing = before_observation.removeprefix(end_of_turn)
    return "".join(
        (
            "{%- for message in messages -%}",
            "{%- if message['role'] == 'system' -%}",
            _written(before_system) + "{{- message['content'] -}}" + _written(between),
            "{%- elif message['role'] == 'user' -%}",
            "{%- if loop.first -%}" + _written(before_first) + "{%- endif -%}",
            "{%- if not loop.first and loop.previtem['role'] == 'assistant' -%}" + _written(closing) + "{%- endif -%}",
            "{{- message['content'] -}}" + _written(after_observation),
            "{%- else -%}{{- message['content'] -}}" + _written(end_of_turn),
            "{%- endif -%}{%- endfor -%}",
        )
    )


def _end_of_turn(render: Render, user: Message) -> str:
    """What ends a turn that nothing follows."""
    whole = render([user, {"role": "assistant", "content": TURN}], False)
    return whole.rpartition(TURN)[2].rstrip("\n")


def _written(text: str) -> str:
    """The text as a Jinja expression; nothing for none."""
    return "{{- " + json.dumps(text) + " -}}" if text else ""
