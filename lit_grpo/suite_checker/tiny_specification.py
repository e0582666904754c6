"""The text of a tiny program against the program: two variables, a goal and three rows, one sentence each.

Called by certificates.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lit_grpo.suite_checker.programs import Program, Row, Variable
from lit_grpo.suite_checker.records import Record, Sentence
from lit_grpo.suite_checker.wording.tiny import (
    OBJECTIVE,
    ROW_NAMES,
    ROWS,
    SENSES,
    TERM,
    TINY_WORDS,
    VARIABLE,
    TinyWords,
)


def is_tiny(record: Record) -> bool:
    """Whether the text is written as those of tiny programs are."""
    return any(sentence.text.startswith("goal : ") for sentence in record.sentences)


def tiny_failures(record: Record) -> Iterator[str]:
    """What does not hold of the text of a tiny program."""
    words, program = TINY_WORDS.get(record.fields["domain"]), record.original
    if words is None or list(program.variables) != ["x", "y"] or len(program.rows) != 3:
        yield f"expected a domain with tiny programs, x and y and three rows, got {record.fields['domain']}"
        return
    if not {*program.rows, *record.faulty.rows} <= ROW_NAMES:
        yield f"expected row names of {', '.join(sorted(ROW_NAMES))}, got {', '.join(record.faulty.rows)}"
    if len(record.sentences) != 6:
        yield f"expected six sentences, got {len(record.sentences)}"
        return
    yield from _variable_failures(record.sentences[:2], program, words)
    yield from _objective_failures(record.sentences[2], program, words)
    yield from _rows_failures(record.sentences[3:], program, words)


def _variable_failures(sentences: Sequence[Sentence], program: Program, words: TinyWords) -> Iterator[str]:
    nouns = []
    for sentence, (name, variable), type_ in zip(sentences, program.variables.items(), words.types, strict=True):
        match = VARIABLE.fullmatch(sentence.text)
        if match is None or match["name"] != name or sentence.about != f"var:{name}":
            yield f"expected a sentence about {name} in its place, got {sentence.text!r:.80} about {sentence.about}"
            continue
        nouns.append(match["noun"])
        said = Variable(float(match["lower"]), float(match["upper"]), "integer" if match["whole"] else "continuous")
        if said != variable or said.type != type_:
            yield f"expected the text and the program to agree on {name}, {type_}, got {said} and {variable}"
    if len(set(nouns)) != len(nouns) or not set(nouns) <= words.nouns:
        yield f"expected two of {', '.join(sorted(words.nouns))}, got {', '.join(nouns)}"


def _objective_failures(sentence: Sentence, program: Program, words: TinyWords) -> Iterator[str]:
    match = OBJECTIVE.fullmatch(sentence.text)
    if match is None or match["goal"] != words.goal or sentence.about is not None:
        yield f"expected the goal {words.goal}, about no element, got {sentence.text!r:.80} about {sentence.about}"
        return
    agrees = _terms(match["terms"]) == list(program.costs.items()) and words.maximize == program.maximize
    if not agrees or program.offset:
        yield f"expected the text and the program to agree on the goal, got {match['terms']} and {program.costs}"


def _rows_failures(sentences: Sequence[Sentence], program: Program, words: TinyWords) -> Iterator[str]:
    nouns = []
    for sentence, (name, row) in zip(sentences, program.rows.items(), strict=True):
        match = next(filter(None, (pattern.fullmatch(sentence.text) for pattern in ROWS)), None)
        if match is None or match["row"] != name or sentence.about != f"row:{name}":
            yield f"expected a sentence about {name} in its place, got {sentence.text!r:.80} about {sentence.about}"
            continue
        nouns.append(match["noun"])
        yield from _row_failures(match, row, words)
    num_limits = sum(row.sense == "<=" for row in program.rows.values())
    if num_limits != words.num_limits or len(set(nouns)) != len(nouns):
        got = f"{num_limits} on {', '.join(nouns)}"
        yield f"expected {words.num_limits} rows with at most, on different nouns, got {got}"


def _row_failures(match: re.Match[str], row: Row, words: TinyWords) -> Iterator[str]:
    said = Row(dict(_terms(match["terms"])), SENSES[match["sense"]], float(match["rhs"]))
    if said != row or _terms(match["terms"]) != list(row.terms.items()):
        yield f"expected the text and the program to agree on {match['row']}, got {said} and {row}"
    if match["noun"] not in (words.limited if said.sense == "<=" else words.required):
        yield f"expected another noun with {match['sense']}, got {match['noun']}"


def _terms(text: str) -> list[tuple[str, float]]:
    return [(name, float(value)) for value, name in TERM.findall(text)]
