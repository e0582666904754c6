"""The first move of each attempt, per kind of fault: a policy that makes the same one for all has told none apart.

Called by real_size.py and experiments/real_size.py, on the `episodes.jsonl` that an evaluation leaves in its folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lit_grpo.environment.episodes.actions import Malformed, parse, render
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.reports.tables import KIND_NAMES, Row, TableCell, TableContent
from lit_grpo.reports.transcripts import TRANSCRIPTS_FILE

FirstMoves = Mapping[FaultKind, Counter[str]]
"""Kind to the number of attempts that begin with each action."""
MALFORMED, NONE = "malformed", "none"
FIRST_MOVES_FILE = "first_moves.json"
NUM_SHOWN = 2
"""Actions of a kind in the table, the most frequent ones."""


def read_first_moves(folders: Sequence[Path]) -> FirstMoves:
    """Those of one arm, its seeds together.

    Args:
        folders: With the attempts of an evaluation each, or with what `keep_first_moves` has left of them.

    Raises:
        ValueError: A line holds no attempt, a file no numbers of moves, or there is neither.
    """
    found: dict[FaultKind, Counter[str]] = {}
    for folder in folders:
        attempts = folder / TRANSCRIPTS_FILE
        moves = _counted(attempts) if attempts.is_file() else _kept(folder / FIRST_MOVES_FILE)
        for kind, of_kind in moves.items():
            found.setdefault(kind, Counter()).update(of_kind)
    return {kind: found[kind] for kind in FaultKind if kind in found}


def keep_first_moves(folder: Path) -> None:
    """Write those of an evaluation beside its attempts, which are large and may be thrown away then.

    Raises:
        ValueError: There is nothing to count, as `read_first_moves` says.
    """
    text = json.dumps(first_moves_json(read_first_moves([folder])), indent=1) + "\n"
    aside = folder / f"{FIRST_MOVES_FILE}.partial"
    aside.write_text(text, encoding="utf-8")
    aside.replace(folder / FIRST_MOVES_FILE)


def _kept(path: Path) -> FirstMoves:
    if not path.is_file():
        raise ValueError(f"{path.parent}: expected {TRANSCRIPTS_FILE} or {path.name}, got neither; play again")
    text = path.read_text(encoding="utf-8")
    try:
        kinds = json.loads(text).items()
        return {FaultKind(kind): Counter({name: int(count) for name, count in of.items()}) for kind, of in kinds}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected the first moves of an evaluation, got {text[:80]!r}; play again") from error


def _counted(path: Path) -> FirstMoves:
    found: dict[FaultKind, Counter[str]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
            kind, turns = FaultKind(record["kind"]), [str(turn["text"]) for turn in record["turns"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}:{number}: expected an attempt as write_transcripts writes it, got {line[:80]!r} "
                f"({error!r}); remove the line, or play again"
            ) from error
        found.setdefault(kind, Counter())[_first_action(turns)] += 1
    return found


def first_moves_table(arms: Mapping[str, FirstMoves]) -> TableContent:
    """A row per arm; of each kind the most frequent first actions, in percent of its attempts."""
    kinds = list(next(iter(arms.values())))
    rows = [
        Row((TableCell(name), *(TableCell(_text(moves.get(kind, Counter()))) for kind in kinds)))
        for name, moves in arms.items()
    ]
    title = "First move of the greedy attempts, per kind of fault: percent of the kind's attempts"
    return TableContent(title, ("", *(KIND_NAMES[kind] for kind in kinds)), tuple(rows))


def first_moves_json(moves: FirstMoves) -> dict[str, Any]:
    """Kind, action: number of attempts."""
    return {kind.value: dict(sorted(actions.items())) for kind, actions in moves.items()}


def _first_action(turns: Sequence[str]) -> str:
    if not turns:
        return NONE
    move = parse(turns[0])
    return MALFORMED if isinstance(move, Malformed) else str(json.loads(render(move))["action"])


def _text(actions: Counter[str]) -> str:
    total = actions.total()
    return ", ".join(f"{name} {100 * number / total:.0f}" for name, number in actions.most_common(NUM_SHOWN))
