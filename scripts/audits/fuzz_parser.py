"""Hostile completions for the parser: ``python scripts/audits/fuzz_parser.py --completions 1000000``.

Generated text (mutated moves, nested JSON, very long lines, control characters, spellings of NaN, foreign digits,
lone surrogates) is parsed. No exception may leave the parser, and no action may come back that was not written: one of
the JSON objects in the text, read by another reader, has to hold exactly the move's fields with equal values.
Exits with 1 at the first offence, and if a normal completion takes 100 us or more.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

from rich.progress import track

from lit_grpo.environment.episodes.actions import Malformed, Move, parse, render

NORMAL_LIMIT_US = 100.0
BASES = (
    '{"diagnosis":["row:wood","var:x"],"action":"set_rhs","row":"wood","value":194}',
    '{"action":"drop","row":"hours"}',
    '{"action":"relax","row":"hours","amount":2.5}',
    '{"action":"set_sense","row":"wood","sense":"<="}',
    '{"action":"set_coefficient","row":"wood","variable":"x","value":-3}',
    '{"action":"set_bounds","variable":"x","lower":null,"upper":40}',
    '{"action":"set_type","variable":"x","type":"binary","diagnosis":[]}',
    '{"action":"inspect","name":"x"}',
    '{"action":"get_conflict"}',
    '{"action":"restore"}',
    '{"action":"submit"}',
)
NUMBERS = (
    *("NaN", "nan", "-nan", "NAN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "5e-324", "-0", "-0.0"),
    *("0x10", "1_000", "+5", ".5", "5.", "05", "9007199254740993", "9" * 400, "\u0661\u0662", "\uff11", "1\u00b2"),
)
"""Some are numbers of JSON, some only look so."""
ODD_TEXT = (
    *("\x00", "\x1b[2J", "\u202e", "\ufeff", "\ud800", "\udfff", "\u2028", "\r\n"),
    *("\\ud83d", "\\u0000", "\\", '\\"'),
)
"""Control characters, lone surrogates as such and as escapes, escapes cut short."""
ALPHABET = '{}[]",:\\/ntrufalse0189.-+eE \n\t\u0661\uff11\u00e9'
PROSE = "The conflict holds wood and hours; the specification says 194 {in all}. "


def _mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + "".join(rng.choices(ALPHABET, k=rng.randint(0, 2))) + text[at + rng.randint(0, 2) :]
    return text


def _odd(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(ODD_TEXT) + text[at:]


def _odd_number(text: str, rng: random.Random) -> str:
    return (
        rng.choice(BASES[:6])
        .replace("194", rng.choice(NUMBERS))
        .replace("2.5", rng.choice(NUMBERS))
        .replace("40", rng.choice(NUMBERS))
    )


def _surrounded(text: str, rng: random.Random) -> str:
    before = rng.choice(("", PROSE * rng.randint(1, 4), "```json\n", "<think>{", rng.choice(BASES), '"', "{" * 5))
    return before + text + rng.choice(("", "\n```", " done.", "}", '"', rng.choice(BASES), "{"))


def _nested(text: str, rng: random.Random) -> str:
    depth = rng.choice((1, 2, 3, 4, 5, 30))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('{"action":', "}"), ('{"diagnosis":[', "]}")))
    return opening * depth + text + closing * rng.choice((depth, depth, depth - 1, depth + 1))


def _crossed(text: str, rng: random.Random) -> str:
    """The beginning of one move and the end of another: keys twice, keys too many, keys missing."""
    other = rng.choice(BASES)
    return text[: rng.randrange(len(text) + 1)] + other[rng.randrange(len(other)) :]


def _long(text: str, rng: random.Random) -> str:
    """Mostly of some hundred characters; once in a thousand as long as the parser reads, or a line of 1 MB."""
    sizes = (300,) if rng.random() < 0.999 else (19_000, 199_000, 1_000_000)
    filler = rng.choice(("a", "{", '{"', "[", "\\", '{"a":1}', " ", "\x00", '{"a":"', "9", PROSE))
    padding = filler * (rng.choice(sizes) // len(filler))
    return rng.choice((padding + text, text + padding, text[:-2] + padding + text[-2:]))


def _escaped(text: str, rng: random.Random) -> str:
    """The same object with letters written as escapes; or the whole of it within a string."""
    if rng.random() < 0.3:
        return json.dumps({"note": text})
    return "".join(f"\\u{ord(c):04x}" if c.isalpha() and rng.random() < 0.2 else c for c in text)


WAYS: tuple[Callable[[str, random.Random], str], ...] = (
    _mutated,
    _odd,
    _odd_number,
    _surrounded,
    _nested,
    _crossed,
    _long,
    _escaped,
)


def completions(number: int, seed: int) -> Iterator[str]:
    """Hostile completions: a move, changed in one to three ways."""
    rng = random.Random(seed)
    for _ in range(number):
        text = rng.choice(BASES)
        for way in rng.choices(WAYS, k=rng.randint(1, 3)):
            text = way(text, rng)
        yield text


def was_written(move: Move, text: str) -> bool:
    """Whether some JSON object in the text holds the move's fields and no others, each key once, with equal values."""
    wanted = json.loads(render(move), parse_int=float)
    return any(_without_repeats(pairs) == wanted for pairs in _objects_in(text))


_READER = json.JSONDecoder(parse_int=float, object_pairs_hook=tuple)


def _objects_in(text: str) -> Iterator[tuple[tuple[str, object], ...]]:
    at = text.rfind("{")
    while at >= 0:
        try:
            value, _ = _READER.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            value = ()
        yield value
        at = text.rfind("{", 0, at)


def _without_repeats(pairs: tuple[tuple[str, object], ...]) -> dict[str, object] | None:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        return None
    if isinstance(names := fields.get("diagnosis"), list):
        fields["diagnosis"] = list(dict.fromkeys(name for name in names if isinstance(name, str)))
    return fields


def offence(text: str, answer: Move | Malformed) -> str | None:
    """What is wrong about the parser's answer to a text, if anything."""
    if isinstance(answer, Move):
        return None if was_written(answer, text) else f"read {answer}, which is not in {text!r}"
    return None if "\n" not in answer.reason else f"a reason of several lines: {answer.reason!r}"


def microseconds_normal(repeats: int) -> float:
    """Mean time of one parse over ordinary turns: some sentences, then a move."""
    turns = [PROSE * 4 + base for base in BASES]
    start = time.process_time()
    for _ in range(repeats):
        for turn in turns:
            parse(turn)
    return (time.process_time() - start) / (repeats * len(turns)) * 1e6


def main() -> None:
    """Parse, count, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--completions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    slowest = 0.0
    for text in track(completions(arguments.completions, arguments.seed), total=arguments.completions):
        start = time.perf_counter()
        answer = parse(text)
        slowest = max(slowest, time.perf_counter() - start)
        counts[type(answer).__name__] += 1
        if (found := offence(text, answer)) is not None:
            raise SystemExit(found)
    normal = microseconds_normal(2000)
    print(f"{dict(counts)}; normal completion {normal:.1f} us; slowest of the hostile ones {slowest * 1e3:.1f} ms")
    raise SystemExit(normal >= NORMAL_LIMIT_US)


if __name__ == "__main__":
    main()
