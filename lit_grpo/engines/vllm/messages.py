"""The messages between a training and a vLLM server: one JSON object per line, parsed, never run.

Written and read by connection.py (training) and listener.py (server). Whatever comes from the other side is checked
here: a line that is none of these messages raises a ValueError.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from dataclasses import fields as fields_of
from typing import TypeVar

from lit_grpo.data.json_values import list_of, number_of, object_of, text_of
from lit_grpo.engines.engine import FinishReason, LogprobsOf, SamplingSettings

MAX_LINE_BYTES = 1 << 26
"""The most bytes of a line that can be a message."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Training: its first message, in answer to the server's Challenge."""

    proof: str
    """HMAC-SHA256 of the challenge under the shared token, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Generate:
    """Training: sample one turn."""

    key: int
    token_ids: tuple[int, ...]
    seed: int
    sampling: SamplingSettings
    stop_ids: tuple[int, ...]
    policy_version: int
    """The server refuses if it has another one."""


@dataclass(frozen=True, slots=True)
class Score:
    """Training: the log-prob at temperature 1 of each token but the first of each sequence."""

    sequences: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Training: take the weights in a folder."""

    folder: str
    policy_version: int


@dataclass(frozen=True, slots=True)
class Export:
    """Training: write the weights as the server's kernels see them into a new folder."""

    folder: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Training: drop all turns that it asked for."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Server: its first message."""

    nonce: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Server: the token was right, and this is what the server is."""

    max_context_tokens: int
    vocabulary: int
    policy_version: int
    """The version of its weights; -1: none was loaded yet."""
    dtype: str
    """The dtype of its weights: ``float32`` or ``bfloat16``."""


@dataclass(frozen=True, slots=True)
class Completed:
    """Server: one sampled turn."""

    key: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason
    policy_version: int
    cached_tokens: int
    """Tokens of the context whose keys and values were there already."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Server: the log-probs, in the order of the sequences."""

    logprobs: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Server: the weights are in place."""

    policy_version: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Exported:
    """Server: the folder is written."""

    folder: str


@dataclass(frozen=True, slots=True)
class Busy:
    """Server: it is alive and has work; sent every second."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Server: it cannot do what the last Generate, Score, Load or Export says."""

    reason: str


Message = (
    Hello
    | Generate
    | Score
    | Load
    | Export
    | Cancel
    | Challenge
    | Ready
    | Completed
    | Scored
    | Loaded
    | Exported
    | Busy
    | Refused
)
AnyMessage = TypeVar("AnyMessage", bound=Message)
Fields = Mapping[str, object]


_to_json = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=asdict).encode
"""Uses ``asdict`` for the parts of a message; on the message itself it would copy every token."""


def encode(message: Message) -> bytes:
    """The line of a message."""
    content = {field.name: getattr(message, field.name) for field in fields_of(message)}
    return _to_json({"is": type(message).__name__} | content).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line.

    Raises:
        ValueError: The line is not a message.
    """
    fields = object_of(json.loads(line), "a message")
    kind = text_of(fields, "is")
    if kind not in _READERS:
        raise ValueError(f"expected a message, got one of the kind {kind[:40]!r}")
    return _READERS[kind](fields)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"expected a whole number, got {value!r:.40}")
    return value


def _whole_of(fields: Fields, key: str) -> int:
    if key not in fields:
        raise ValueError(f"expected the key {key}")
    return _whole(fields[key])


def _finite(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value!r:.40}")
    return float(value)


def _ids_of(fields: Fields, key: str) -> tuple[int, ...]:
    return tuple(map(_whole, list_of(fields, key)))


def _rows_of(fields: Fields, key: str) -> list[list[object]]:
    rows = list_of(fields, key)
    if not all(isinstance(row, list) for row in rows):
        raise ValueError(f"expected {key} to be lists")
    return [row for row in rows if isinstance(row, list)]


def _sampling(fields: Fields) -> SamplingSettings:
    return SamplingSettings(
        temperature=number_of(fields, "temperature"),
        max_completion_tokens=_whole_of(fields, "max_completion_tokens"),
        top_p=number_of(fields, "top_p"),
        top_k=_whole_of(fields, "top_k"),
        min_p=number_of(fields, "min_p"),
        stop=_ids_of(fields, "stop"),
        logprobs=LogprobsOf(text_of(fields, "logprobs")),
    )


def _generate(fields: Fields) -> Generate:
    return Generate(
        _whole_of(fields, "key"),
        _ids_of(fields, "token_ids"),
        _whole_of(fields, "seed"),
        _sampling(object_of(fields.get("sampling"), "sampling")),
        _ids_of(fields, "stop_ids"),
        _whole_of(fields, "policy_version"),
    )


def _completed(fields: Fields) -> Completed:
    return Completed(
        _whole_of(fields, "key"),
        _ids_of(fields, "token_ids"),
        tuple(map(_finite, list_of(fields, "logprobs"))),
        FinishReason(text_of(fields, "finish_reason")),
        _whole_of(fields, "policy_version"),
        _whole_of(fields, "cached_tokens"),
    )


def _ready(fields: Fields) -> Ready:
    numbers = (_whole_of(fields, key) for key in ("max_context_tokens", "vocabulary", "policy_version"))
    return Ready(*numbers, dtype=text_of(fields, "dtype"))


_READERS: dict[str, Callable[[Fields], Message]] = {
    "Hello": lambda fields: Hello(text_of(fields, "proof")),
    "Generate": _generate,
    "Score": lambda fields: Score(tuple(tuple(map(_whole, row)) for row in _rows_of(fields, "sequences"))),
    "Load": lambda fields: Load(text_of(fields, "folder"), _whole_of(fields, "policy_version")),
    "Export": lambda fields: Export(text_of(fields, "folder")),
    "Cancel": lambda fields: Cancel(),
    "Challenge": lambda fields: Challenge(text_of(fields, "nonce")),
    "Ready": _ready,
    "Completed": _completed,
    "Scored": lambda fields: Scored(tuple(tuple(map(_finite, row)) for row in _rows_of(fields, "logprobs"))),
    "Loaded": lambda fields: Loaded(_whole_of(fields, "policy_version"), number_of(fields, "seconds")),
    "Exported": lambda fields: Exported(text_of(fields, "folder")),
    "Busy": lambda fields: Busy(),
    "Refused": lambda fields: Refused(text_of(fields, "reason")),
}
