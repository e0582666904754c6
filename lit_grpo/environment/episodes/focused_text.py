"""A text about the whole program, such as a user's own: which of its sentences are shown where not all of them fit.

Used by focused_view.py. Sentences are chosen by the names that they write, and by nothing else that the environment
knows of them: a text whose sentences are tied to nothing is read in the same way as one whose ties are not shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lit_grpo.environment.episodes.elements import name_of
from lit_grpo.environment.episodes.levels import SpecificationLevel, texts_at, words_of
from lit_grpo.environment.episodes.room import Room, left_out
from lit_grpo.environment.programs.program import Element
from lit_grpo.environment.programs.specification import Specification

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+|\n+")


@dataclass(frozen=True, slots=True)
class FocusedText:
    """Sentences in the order of the text, and the order in which they are chosen."""

    sentences: tuple[str, ...]
    """A very long one is cut."""
    chosen: tuple[int, ...]
    """Their numbers: those that name what is nearest to the conflict first, those that name nothing last."""
    whole: str
    """The text as it is."""
    separator: str

    @classmethod
    def of(
        cls, texts: Sequence[str], plain: frozenset[str], order: Sequence[Element], separator: str, room: Room
    ) -> FocusedText:
        """The sentences of some texts.

        Args:
            texts: As they are shown.
            plain: Which of them are a text of several sentences, to be taken apart.
            order: The program's elements, the nearest first.
            separator: Stands between two texts.
            room: The most that one sentence may take.
        """
        parts = [part for text in texts for part in (_SENTENCE_END.split(text) if text in plain else [text]) if part]
        sentences = tuple(room.cut(part) for part in parts)
        rank = {word: n for n, element in reversed(list(enumerate(order))) for word in (element, name_of(element))}
        nearest = [min((rank.get(word, len(order)) for word in words_of(part)), default=len(order)) for part in parts]
        chosen = sorted(range(len(parts)), key=lambda number: nearest[number])
        return cls(sentences, tuple(chosen), separator.join(texts), separator)

    def first(self, number: int) -> str:
        """The first ``number`` sentences that are chosen, in the order of the text, and how many more there are."""
        if number == len(self.sentences):
            return self.whole
        shown = [self.sentences[i] for i in sorted(self.chosen[:number])]
        return self.separator.join([*shown, *left_out(len(self.sentences) - number)])

    def naming(self, element: Element, beyond: int) -> list[str]:
        """The sentences that name an element, but for the first ``beyond`` that are chosen: those are shown already."""
        names = {element, name_of(element)}
        return [self.sentences[i] for i in sorted(self.chosen[beyond:]) if names & words_of(self.sentences[i])]


def untied_texts(
    specification: Specification | None, known: Sequence[Element], level: SpecificationLevel
) -> tuple[tuple[str, ...], frozenset[str]]:
    """What of a specification stands beside no element, and which of these texts may be several sentences in one."""
    if specification is None:
        return (), frozenset()
    plain = frozenset(sentence.text for sentence in specification.sentences if sentence.about is None)
    elements = frozenset(known)
    if level is not SpecificationLevel.BESIDE:
        return texts_at(specification, elements, level), plain
    return tuple(s.text for s in specification.sentences if s.about not in elements), plain
