"""The text against the true program: a second reader, which knows each sentence that a domain can say.

Called by certificates.py for programs above tiny size; tiny_specification.py reads the others. A sentence that no
template of the domain produces is refused, and so is one that says anything else than the program: so the text
determines the program, and nothing in it names the fault.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lit_grpo.suite_checker.difficulty import WORDING
from lit_grpo.suite_checker.programs import Program, Variable
from lit_grpo.suite_checker.records import Record, Sentence
from lit_grpo.suite_checker.row_sentences import RowSentence, row_failures
from lit_grpo.suite_checker.wording import WORDS
from lit_grpo.suite_checker.wording.forms import GOALS, RANGES, TERM, DomainWords

DISTRACTOR_NUMBERS = range(2, 401)


@dataclass
class Read:
    """What the sentences are, by their positions in the text."""

    variables: dict[str, int]
    objective: list[int]
    rows: dict[str, int]
    distractors: list[int]


def specification_failures(record: Record) -> Iterator[str]:
    """What does not hold of a text about a program above tiny size."""
    words = WORDS[record.fields["domain"]]
    yield from _program_failures(record, words)
    sentences = record.sentences
    if (sentences[0].text, sentences[0].about) != (words.introduction, None):
        yield f"expected the introduction {words.introduction!r}, got {sentences[0].text!r:.120}"
        return
    read, found = Read({}, [], {}, []), []
    for position, sentence in enumerate(sentences[1:]):
        complaints, row = _read(sentence, position, words, record.original, read)
        yield from complaints
        found += [row] if row is not None else []
    yield from row_failures(found, record.original)
    yield from _missing(record.original, read)
    yield from _wording(record, read, words)


def _program_failures(record: Record, words: DomainWords) -> Iterator[str]:
    """What a program of the domain cannot be."""
    program = record.original
    if program.maximize != words.maximize or program.offset:
        direction = "maximize" if words.maximize else "minimize"
        yield f"expected to {direction} without an offset in {record.fields['domain']}, got another objective"
    for name, variable in program.variables.items():
        allowed = [sort for sort in words.variables if sort.names.fullmatch(name) and variable.type in sort.types]
        if not allowed:
            yield f"expected variables of {record.fields['domain']}, got {name}, {variable.type}"
    for name in {**program.rows, **record.faulty.rows}:
        if name not in words.row_names:
            yield f"expected row names of {record.fields['domain']}, got {name}"


def _read(
    sentence: Sentence, position: int, words: DomainWords, program: Program, read: Read
) -> tuple[list[str], RowSentence | None]:
    """Enter one sentence in what was read: complaints, and what it says of a row if it is about one."""
    for pattern in words.objective_patterns:
        if match := pattern.fullmatch(sentence.text):
            read.objective.append(position)
            return list(_objective_failures(match, sentence, program)), None
    for sort in words.rows:
        for pattern in sort.patterns:
            if match := pattern.fullmatch(sentence.text):
                return _enter(read.rows, match["row"], position), RowSentence(sentence, sort, match)
    for pattern in words.variable_patterns:
        if match := pattern.fullmatch(sentence.text):
            entered = _enter(read.variables, match["name"], position)
            return [*entered, *_variable_failures(match, sentence, program)], None
    for pattern in words.distractor_patterns:
        if match := pattern.fullmatch(sentence.text):
            read.distractors.append(position)
            return list(_distractor_failures(match, sentence)), None
    return [f"expected a sentence that the domain can say, got {sentence.text!r:.160}"], None


def _enter(entries: dict[str, int], name: str, position: int) -> list[str]:
    if name in entries:
        return [f"expected one sentence about {name}, got another one"]
    entries[name] = position
    return []


def _variable_failures(match: re.Match[str], sentence: Sentence, program: Program) -> Iterator[str]:
    name = match["name"]
    if sentence.about != f"var:{name}":
        yield f"expected the sentence on {name} to be about var:{name}, got {sentence.about}"
    said, variable = _said_range(match["range"]), program.variables.get(name)
    if said != variable:
        yield f"expected the text and the program to agree on {name}, got {said} and {variable}"


def _said_range(text: str) -> Variable:
    if text == "yes or no (1 or 0)":
        return Variable(0.0, 1.0, "binary")
    type_, found = next((type_, found) for type_, pattern in RANGES if (found := pattern.fullmatch(text)))
    lower, *upper = map(float, found.groups())
    return Variable(lower, upper[0] if upper else float("inf"), type_)


def _objective_failures(match: re.Match[str], sentence: Sentence, program: Program) -> Iterator[str]:
    if sentence.about is not None:
        yield f"expected the objective's sentence to be about no element, got {sentence.about}"
    terms, is_said_max = said_terms(match["terms"]), GOALS[match["best"]]
    if terms != list(program.costs.items()) or is_said_max != program.maximize:
        yield "expected the text and the program to agree on the objective, got another direction or other terms"


def said_terms(text: str) -> list[tuple[str, float]]:
    """``3 per chair, less 4 per lamp`` as names with coefficients, in their order."""
    return [(name, -float(value) if less else float(value)) for less, value, name in TERM.findall(text)]


def _distractor_failures(match: re.Match[str], sentence: Sentence) -> Iterator[str]:
    if sentence.about is not None:
        yield f"expected a sentence that determines nothing to be about no element, got {sentence.about}"
    if int(match["number"]) not in DISTRACTOR_NUMBERS:
        yield f"expected a number from 2 to 400 in a sentence that determines nothing, got {match['number']}"


def _missing(program: Program, read: Read) -> Iterator[str]:
    for what, told, true in (("variable", read.variables, program.variables), ("row", read.rows, program.rows)):
        for name in true.keys() - told.keys():
            yield f"expected a sentence about the {what} {name}, got none"
    if len(read.objective) != 1:
        yield f"expected one sentence about the objective, got {len(read.objective)}"


def _wording(record: Record, read: Read, words: DomainWords) -> Iterator[str]:
    """How the difficulty has the text written: the order, and how many sentences determine nothing."""
    wording = WORDING[record.fields["difficulty"]]
    if len(read.distractors) != wording.num_distractors:
        got = len(read.distractors)
        yield f"expected {wording.num_distractors} sentences that determine nothing at this difficulty, got {got}"
    texts = [record.sentences[1 + position].text for position in read.distractors]
    used = Counter(
        pattern.pattern for text in texts for pattern in words.distractor_patterns if pattern.fullmatch(text)
    )
    if max(used.values(), default=1) > 1:
        yield "expected sentences that determine nothing of different sorts, got two of one sort"
    given = _places(record.original, read)
    if wording.is_shuffled == (given == sorted(given)):
        yield f"expected the sentences {'shuffled' if wording.is_shuffled else 'in the order of the program'}"


def _places(program: Program, read: Read) -> Sequence[int]:
    """The places of the sentences that a text in order has first to last."""
    variables = [read.variables[name] for name in program.variables if name in read.variables]
    rows = [read.rows[name] for name in program.rows if name in read.rows]
    return [*variables, *read.objective, *rows, *read.distractors]
