"""The numbers and requirements that a text states, as far as they can be read off without understanding it.

Called by evidence.py and broken_sentences.py.
"""

from __future__ import annotations

import re
from collections import Counter

from lit_grpo.environment.programs.program import Sense, VariableType

WORDS: dict[str, float] = {
    "zero": 0,
    "nought": 0,
    "half": 0.5,
    "one": 1,
    "twice": 2,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
}

_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w])")
_NEGATIVE = re.compile(r"(?:(?<!no )\bless|\bminus|(?<![\w.])-)\s*(\d+(?:\.\d+)?)(?![\w])")
_NAME = re.compile(r"[^\s,;:()]+")
_WORD = re.compile(r"[A-Za-z]+")
_SENTENCE_END = re.compile(r"(?<=[.;!?])\s+|\n+")

_SENSES: tuple[tuple[Sense, re.Pattern[str]], ...] = (
    (Sense.GREATER_EQUAL, re.compile(r"at least|no less|not less|no fewer|not fewer|minimum|or more|>=|not below")),
    (Sense.LESS_EQUAL, re.compile(r"at most|no more|not more|up to|maximum|or less|or fewer|<=|not above|not exceed")),
    (Sense.EQUAL, re.compile(r"exactly|precisely|equals?\b|must balance")),
)

_TYPES: tuple[tuple[VariableType, re.Pattern[str]], ...] = (
    (VariableType.BINARY, re.compile(r"yes or no|0 or 1|1 or 0|\bbinary|whether|either")),
    (VariableType.INTEGER, re.compile(r"\bwhole|\binteger|\bunits?\b|\bindivisible|\bcount")),
    (VariableType.CONTINUOUS, re.compile(r"fraction|any amount|any sign|continuous|anything")),
)


def numbers_in(text: str) -> Counter[float]:
    """The magnitudes of the numbers in a text, figures and small words, with how often each stands there."""
    found = figures_in(text)
    found.update(float(WORDS[word]) for word in _WORD.findall(text.lower()) if word in WORDS)
    return found


def figures_in(text: str) -> Counter[float]:
    """The magnitudes of the numbers that a text writes in figures: ``week two`` has none, ``week 2`` has one."""
    return Counter(abs(float(match.replace(",", ""))) for match in _NUMBER.findall(text))


def negatives_in(text: str) -> Counter[float]:
    """The magnitudes of the numbers that a text takes away: ``less 5``, ``minus 5``, ``-5``."""
    return Counter(float(match) for match in _NEGATIVE.findall(text))


def names_in(text: str) -> set[str]:
    """The words of a text, as names have them: without the full stop at the end."""
    words = _NAME.findall(text)
    return {*words, *(word.rstrip(".!?") for word in words)}


def senses_in(text: str) -> set[Sense]:
    """The senses that a text's words speak of."""
    lowered = text.lower()
    return {sense for sense, pattern in _SENSES if pattern.search(lowered)}


def type_in(text: str) -> VariableType | None:
    """The type of a variable that a text's words speak of; None if they speak of none."""
    lowered = text.lower()
    return next((type_ for type_, pattern in _TYPES if pattern.search(lowered)), None)


def sentences_in(text: str) -> list[str]:
    """A text in sentences."""
    return [sentence.strip() for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def mentions(text: str, name: str) -> bool:
    """Whether a text has the name as a word of its own."""
    # Most names are nowhere in a text, and a pattern for each of them takes 20 us to be made.
    return name in text and re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", text) is not None
