"""How a specification stands in an observation: tied to the elements it is about, or as one text, as a user has it.

Called by observation.py. Above `BESIDE` the sentences are one text beside the objective, where a user's own plain text
stands as well; such a text is never changed, at any level. Nothing here depends on the program's numbers: what is shown
of a text is the same whatever the fault is.
"""

from __future__ import annotations

from collections.abc import Container
from enum import StrEnum
from random import Random

from lit_grpo.environment.programs.program import Element
from lit_grpo.environment.programs.specification import Sentence, Specification


class SpecificationLevel(StrEnum):
    """How much of what a sentence is about is said, from all of it down to nothing."""

    BESIDE = "beside"
    """Each sentence stands with its element: behind its algebra (COMPACT), or behind its name in brackets (FULL)."""
    LABELLED = "labelled"
    """One text, in which ``row:NAME:`` or ``var:NAME:`` opens each sentence, as in a user's labelled file."""
    NAMED = "named"
    """One text, whose sentences name their element somewhere."""
    PROSE = "prose"
    """One text, its sentences in an order drawn per task, which names the things of the business but no row."""


def as_one_text(
    specification: Specification, known: Container[Element | None], level: SpecificationLevel, separator: str = " "
) -> str:
    """The specification as it is shown at a level other than `BESIDE`: its `texts_at`, with ``separator`` between."""
    return separator.join(texts_at(specification, known, level))


def texts_at(
    specification: Specification, known: Container[Element | None], level: SpecificationLevel
) -> tuple[str, ...]:
    """The sentences as they are written at a level other than `BESIDE`, in the order in which they are shown.

    Args:
        specification: Its sentences; what is tied to no element is shown as it is.
        known: The program's elements: no other is labelled or named.
        level: Any but `BESIDE`.
    """
    sentences = [
        sentence if sentence.about in known else Sentence(sentence.text) for sentence in specification.sentences
    ]
    match level:
        case SpecificationLevel.LABELLED:
            texts = [_labelled(sentence) for sentence in sentences]
        case SpecificationLevel.NAMED:
            texts = [_named(sentence) for sentence in sentences]
        case SpecificationLevel.PROSE:
            texts = [_without_row(sentence) for sentence in specification.sentences]
            if any(sentence.about is not None for sentence in specification.sentences):
                Random(f"prose/{specification.text}").shuffle(texts)
        case SpecificationLevel.BESIDE:
            raise AssertionError("sentences that stand beside their elements are no one text")
    return tuple(texts)


def _name(element: Element) -> str:
    return element.partition(":")[2]


def _labelled(sentence: Sentence) -> str:
    """``row:ra: wood 3 per x ...``; where the sentence opens with the name, the label has said it already."""
    if sentence.about is None:
        return sentence.text
    return f"{sentence.about}: {sentence.text.removeprefix(f'{_name(sentence.about)} : ')}"


def _named(sentence: Sentence) -> str:
    """The sentence, its element's name before it if it does not have it as a word of its own."""
    if sentence.about is None or _name(sentence.about) in words_of(sentence.text):
        return sentence.text
    return f"{_name(sentence.about)} : {sentence.text}"


def words_of(text: str) -> set[str]:
    """Names have no blanks; brackets and full stops around one are no part of it."""
    return {part for word in text.split() for part in (word, word.strip("().,;:"))}


def _without_row(sentence: Sentence) -> str:
    """The sentence without the reference to its row, ``NAME : `` before it or `` (NAME)`` in it.

    The name of a variable is that of a thing which is decided on, and stays.
    """
    if sentence.about is None or not sentence.about.startswith("row:"):
        return sentence.text
    name = _name(sentence.about)
    return sentence.text.removeprefix(f"{name} : ").replace(f" ({name})", "")
