"""A prediction for a terminal, behind what `lit-grpo explain` says: the repairs, who speaks for each, and how sure.

Called by callbacks/repair_writer.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from lit_grpo.environment.repairs.broken_sentences import BrokenSentence
from lit_grpo.explain.algebra import edit_text, number
from lit_grpo.explain.as_text import cost_text, readable
from lit_grpo.repair.prediction import Prediction
from lit_grpo.repair.ranking import Repair
from lit_grpo.repair.shown import ShownRepair

MOST_BROKEN = 3
"""Broken sentences and requirements of a repair that are shown; JSON has them all."""


def prediction_text(prediction: Prediction, shown: Sequence[ShownRepair]) -> str:
    """The prediction in lines; empty where there is nothing to repair."""
    if not prediction.is_infeasible:
        return ""
    return "\n".join(_lines(prediction, shown)) + "\n"


def heading(prediction: Prediction) -> Iterator[str]:
    """Who speaks for what follows, and how sure that is."""
    if prediction.unasked is not None:
        yield f"No policy: {prediction.unasked}."
    else:
        yield f"The policy: {_attempts(prediction)}{_likeliest(prediction)}."
    if not prediction.repairs:
        yield "No repair was found: what is known is above."
    elif prediction.recommended is not None:
        yield "Repairs, what the policy thinks likeliest first:"
    elif prediction.unasked is not None:
        yield "Repairs in the order of the list above, of which none is recommended:"
    else:
        least = f"below {_percent(prediction.min_confidence)}"
        why = least if prediction.explanation.specification is not None else "without a specification"
        yield f"Unsure: {why}, no repair is recommended. Repairs in the order of the list above, then its own:"


def _lines(prediction: Prediction, shown: Sequence[ShownRepair]) -> Iterator[str]:
    yield from heading(prediction)
    for position, one in enumerate(shown, start=1):
        yield f"  {position}. {_headline(prediction, one)}"
        yield from (f"     {line}" for line in _details(prediction, one))
    if len(prediction.repairs) > len(shown):
        yield f"  ({len(prediction.repairs) - len(shown)} more are in the results)"
    if prediction.repairs:
        has_text = prediction.explanation.specification is not None
        yield ""
        yield "Each is feasible again. " + (
            "Whether it says what the specification says is for you to check: nothing here proves it."
            if has_text
            else "Whether it is what was meant cannot be known without a specification."
        )


def _headline(prediction: Prediction, one: ShownRepair) -> str:
    behind = f" ({number(readable(one.behind))} worse than the best of these)" if one.behind else ""
    return f"{_changes(prediction, one.repair)}{cost_text(one.repair.objective)}{behind}"


def _details(prediction: Prediction, one: ShownRepair) -> Iterator[str]:
    if prediction.unasked is None:
        yield f"the policy: {_found(prediction, one.repair)}, {_likelihood(one.repair)}"
    if one.repair.position is not None:
        slips = ", ".join(dict.fromkeys(one.repair.why))
        yield f"the list above: number {one.repair.position} ({slips})"
    yield from (f"the text about {element}: {text}" for element, text in one.sentences)
    if one.breaks:
        parts = [f"{element} by {number(readable(amount))}" for element, amount in one.breaks[:MOST_BROKEN]]
        yield f"its optimum breaks, of the file as it was: {', '.join(parts)}{_more(len(one.breaks))}"
    for sentence in one.broken[:MOST_BROKEN]:
        yield f"still not said: {_broken(sentence)}"
    if prediction.explanation.specification is not None and not one.broken:
        yield "the text as a whole: nothing in it that could be matched speaks against it"
    if len(one.broken) > MOST_BROKEN:
        yield f"still not said:{_more(len(one.broken))}"


def _broken(sentence: BrokenSentence) -> str:
    label = "" if sentence.about is None else f"{sentence.about}: "
    return f"{label}{sentence.text} ({'; '.join(sentence.reasons)})"


def _more(count: int) -> str:
    return f" and {count - MOST_BROKEN} more" if count > MOST_BROKEN else ""


def _attempts(prediction: Prediction) -> str:
    attempts = prediction.attempts
    assert attempts is not None, "a policy that was asked has played"
    refused = f", {prediction.num_refused} of them not as it has to be" if prediction.num_refused else ""
    return f"{len(attempts.found)} of {attempts.num_attempts} attempts ended feasible{refused}"


def _likeliest(prediction: Prediction) -> str:
    known = [repair for repair in prediction.repairs if repair.logprob is not None]
    if not known:
        return "; it has no words for these repairs" if prediction.repairs else ""
    first = max(known, key=lambda repair: repair.logprob or 0.0)
    assert first.confidence is not None, "known with the likelihood"
    return f"; its likeliest repair, {_changes(prediction, first)}, has a confidence of {_percent(first.confidence)}"


def _changes(prediction: Prediction, repair: Repair) -> str:
    return "; ".join(edit_text(prediction.explanation.program, edit) for edit in repair.edits)


def _likelihood(repair: Repair) -> str:
    if repair.logprob is None or repair.confidence is None:
        return "cannot say it in its rules"
    said = _percent(math.exp(repair.logprob))
    return f"says exactly this with {said}; confidence, with the list: {_percent(repair.confidence)}"


def _found(prediction: Prediction, repair: Repair) -> str:
    assert prediction.attempts is not None, "a policy that was asked has played"
    return f"found in {repair.num_found} of {prediction.attempts.num_attempts} attempts"


def _percent(share: float) -> str:
    if share < 0.001:
        return "below 0.1 %"
    return "above 99.9 %" if 0.999 < share < 1 else f"{100 * share:.3g} %"
