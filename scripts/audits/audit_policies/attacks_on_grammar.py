"""Attacks on how a turn is read: several objects, keys twice, names that look like others, text within text.

Called by attack_environment.py and the tests of attacks. Each writes a turn that says several things at once,
so that a lenient reader would pick what suits the writer. The one parser (actions.py) reads the last object or none.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from audit_policies.attacks import Attack
from lit_grpo.environment.episodes.actions import Move, Submit, render
from lit_grpo.environment.policies.baselines import BaselineView
from lit_grpo.environment.programs.edits import DropRow
from lit_grpo.environment.programs.program import Element, LinearProgram


def _suspects(view: BaselineView) -> tuple[Element, ...]:
    return view.conflict.elements if view.conflict is not None else ()


def _first_row(program: LinearProgram) -> str:
    return program.constraints[0].name if program.constraints else "none"


def _a_diagnosis_in_every_object(view: BaselineView, rng: random.Random) -> str:
    """One object for each suspect, the last of which submits and states nothing."""
    named = [render(Move(DropRow(_first_row(view.program)), (element,))) for element in _suspects(view)]
    return " ".join([*named, render(Move(Submit()))])


def _several_moves(view: BaselineView, rng: random.Random) -> str:
    """All rows of the conflict dropped in one turn."""
    rows = [element.removeprefix("row:") for element in _suspects(view) if element.startswith("row:")]
    return "\n".join(render(Move(DropRow(row), _suspects(view))) for row in rows) or render(Move(Submit()))


def _keys_twice(view: BaselineView, rng: random.Random) -> str:
    """``diagnosis`` once for each suspect: a reader that keeps the last, or joins them, is led."""
    keys = [f'"diagnosis":[{json.dumps(element)}]' for element in _suspects(view)] * 2
    return "{" + ",".join([*keys, '"action":"submit"']) + "}"


def _disguised(disguise: Callable[[str], str]) -> Callable[[BaselineView, random.Random], str]:
    """Every suspect's name in a disguise: right only to a reader that strips, cuts or folds."""

    def rule(view: BaselineView, rng: random.Random) -> str:
        names = [element[:4] + disguise(element[4:]) for element in _suspects(view)]
        return json.dumps({"diagnosis": names, "action": "drop", "row": disguise(_first_row(view.program))})

    return rule


def _in_reasoning(view: BaselineView, rng: random.Random) -> str:
    """A whole diagnosis in the reasoning, and in a string within the object; the move itself states none."""
    inner = render(Move(Submit(), _suspects(view)))
    return f"<think>{inner}</think> " + json.dumps({"action": "inspect", "name": inner})


def _nested(view: BaselineView, rng: random.Random) -> str:
    return '{"action":{"action":"submit"},"move":' + render(Move(Submit(), _suspects(view))) + "}"


GRAMMAR_ATTACKS: tuple[Attack, ...] = (
    Attack("a diagnosis in every object", _a_diagnosis_in_every_object),
    Attack("several moves in a turn", _several_moves),
    Attack("keys twice", _keys_twice),
    Attack("names with a space", _disguised(lambda name: f"{name} ")),
    Attack("names with a NUL", _disguised(lambda name: f"{name}\0")),
    Attack("names in capitals", _disguised(str.upper)),
    Attack("a diagnosis in the reasoning", _in_reasoning),
    Attack("an object within an object", _nested),
)
"""In the order of the table."""
