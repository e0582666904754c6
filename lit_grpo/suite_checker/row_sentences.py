"""Sentences about rows against the rows of the true program.

Called by specification.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lit_grpo.suite_checker.programs import Program, Row
from lit_grpo.suite_checker.records import Sentence
from lit_grpo.suite_checker.wording.forms import SENSES, TERM, RowWords


@dataclass(frozen=True)
class RowSentence:
    """A sentence that has the form of a sort of row's."""

    sentence: Sentence
    sort: RowWords
    match: re.Match[str]

    @property
    def row(self) -> str:
        """The name that the sentence ends with."""
        return self.match["row"]

    @property
    def subject(self) -> str | None:
        """None where the sort has none."""
        return self.match.groupdict().get("subject")

    def said(self) -> Row:
        """The row that the sentence states, its terms in the order of the words."""
        terms = TERM.findall(self.match["terms"])
        values = {name: -float(value) if less else float(value) for less, value, name in terms}
        return Row(values, SENSES[self.match["sense"]], float(self.match["rhs"]))


Members = Mapping[tuple[str, str], Row]
"""Rows by their sort and their subject."""


def row_failures(sentences: Sequence[RowSentence], program: Program) -> Iterator[str]:
    """What the sentences say otherwise than the program, or cannot say of it."""
    members: dict[tuple[str, str], Row] = {}
    for told in sentences:
        if told.subject is None:
            continue
        key = (told.sort.sort, told.subject)
        if key in members:
            yield f"expected one row on {told.subject}, got {told.row} as another one"
        members[key] = told.said()
    sorts = [told.sort.sort for told in sentences if told.subject is None]
    for sort in dict.fromkeys(sorts):
        if sorts.count(sort) > 1:
            yield f"expected one row of the sort {sort}, got {sorts.count(sort)}"
    for told in sentences:
        yield from _agreement(told, program)
        yield from _meaning(told, program, members)


def _agreement(told: RowSentence, program: Program) -> Iterator[str]:
    """The sentence and the row of its name have the same numbers, in the same order."""
    if told.sentence.about != f"row:{told.row}":
        yield f"expected the sentence on {told.row} to be about row:{told.row}, got {told.sentence.about}"
    said, row = told.said(), program.rows.get(told.row)
    if row is None or said != row or _names(told) != list(row.terms):
        yield f"expected the text and the program to agree on {told.row}, got {said} and {row}"


def _names(told: RowSentence) -> list[str]:
    return [name for _, _, name in TERM.findall(told.match["terms"])]


def _meaning(told: RowSentence, program: Program, members: Members) -> Iterator[str]:
    """The row is what a row of its sort is."""
    said, sort, subject = told.said(), told.sort, told.subject
    if said.sense not in sort.senses:
        yield f"expected {' or '.join(sort.senses)} in a row of the sort {sort.sort}, got {said.sense} in {told.row}"
    if sort.is_named_after_row and subject != told.row:
        yield f"expected the sentence on {told.row} to speak of it, got {subject}"
    if sort.counted is not None and set(said.terms) != set(sort.counted(subject or "", program.variables)):
        yield f"expected {told.row} to count all that belongs to {subject or sort.sort}, got {', '.join(said.terms)}"
    if sort.adds_up:
        yield from _sum_failures(told, members)


def _sum_failures(told: RowSentence, members: Members) -> Iterator[str]:
    """A row on several subjects together is the sum of their rows, but for its right-hand side."""
    subjects = re.split(", | and ", told.subject or "")
    known = {subject: row for (sort, subject), row in members.items() if sort in told.sort.adds_up}
    is_listed = ", ".join(subjects[:-1]) + f" and {subjects[-1]}" == told.subject
    if not is_listed or len(set(subjects)) < len(subjects) or not set(subjects) <= set(known):
        yield f"expected {told.row} to add up rows on different subjects, got {told.subject}"
        return
    total: dict[str, float] = {}
    for subject in subjects:
        for name, value in known[subject].terms.items():
            total[name] = total.get(name, 0.0) + value
    if {name: value for name, value in total.items() if value} != told.said().terms:
        yield f"expected {told.row} to be the sum of the rows on {told.subject}, got {told.said().terms}"
