"""A prediction as JSON, with the same content as what is printed; prediction.schema.json beside this file says how.

Called by callbacks/repair_writer.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lit_grpo.environment.repairs.broken_sentences import BrokenSentence
from lit_grpo.explain.algebra import edit_text
from lit_grpo.explain.as_json import edit_json, explanation_json
from lit_grpo.repair.prediction import Prediction
from lit_grpo.repair.ranking import Repair
from lit_grpo.repair.shown import ShownRepair

SCHEMA_VERSION = 1


def prediction_json(prediction: Prediction, shown: Sequence[ShownRepair], files: Sequence[Path]) -> dict[str, Any]:
    """The prediction as plain data, of which `json.dumps` makes valid JSON.

    Args:
        prediction: What is said.
        shown: Of its first repairs.
        files: What was written beside this.
    """
    attempts = prediction.attempts
    return {
        "schema_version": SCHEMA_VERSION,
        "explanation": explanation_json(prediction.explanation),
        "policy": None
        if attempts is None or prediction.unasked is not None
        else {
            "attempts": attempts.num_attempts,
            "feasible": len(attempts.found),
            "not_allowed": prediction.num_refused,
        },
        "not_asked": prediction.unasked,
        "min_confidence": prediction.min_confidence,
        "recommended": None if prediction.recommended is None else 1,
        "shown": [_shown(prediction, one) for one in shown],
        "others": [_repair(prediction, repair) for repair in prediction.repairs[len(shown) :]],
        "files": [str(path) for path in files],
    }


def _shown(prediction: Prediction, one: ShownRepair) -> dict[str, Any]:
    return _repair(prediction, one.repair) | {
        "behind": one.behind,
        "breaks": [{"element": element, "amount": amount} for element, amount in one.breaks],
        "sentences": [{"element": element, "text": text} for element, text in one.sentences],
        "broken_sentences": [_broken(sentence) for sentence in one.broken],
        "patch": one.patch,
    }


def _repair(prediction: Prediction, repair: Repair) -> dict[str, Any]:
    logprob = repair.logprob
    return {
        "elements": list(repair.elements),
        "changes": [edit_text(prediction.explanation.program, edit) for edit in repair.edits],
        "edits": [edit_json(edit) for edit in repair.edits],
        "status": repair.status.value,
        "objective": repair.objective,
        "confidence": repair.confidence,
        "logprob": logprob if logprob is not None and math.isfinite(logprob) else None,
        "found_in_attempts": repair.num_found,
        "candidate": repair.position,
        "why": list(repair.why),
    }


def _broken(sentence: BrokenSentence) -> dict[str, Any]:
    return {"about": sentence.about, "text": sentence.text, "reasons": list(sentence.reasons)}
