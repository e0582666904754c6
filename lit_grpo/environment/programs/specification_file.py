"""Reads a user's text: ``row:NAME: text`` or ``var:NAME: text`` lines are about their element, the rest is prose.

Called by explain/reading.py, and by data/programs/ for the programs that a user trains on.
"""

from __future__ import annotations

import re
from pathlib import Path

from lit_grpo.environment.programs.difference import elements_of
from lit_grpo.environment.programs.program import Element, LinearProgram, ProgramError
from lit_grpo.environment.programs.reading.draft import nearest
from lit_grpo.environment.programs.specification import Sentence, Specification

_LABELLED = re.compile(r"\s*((?:row|var):\S+?):?\s+(.*)")


def read_specification(path: Path, program: LinearProgram) -> Specification:
    """The text as sentences.

    Raises:
        ProgramError: There is no such file, it is no text in UTF-8, it says nothing, or a label names no element of the
            program.
    """
    if not path.is_file():
        raise ProgramError(
            f"{path}: expected a text that says what the program means, got no such file; check the path"
        )
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ProgramError(f"{path}: expected text in UTF-8, got {error.reason}; save it as UTF-8") from error
    known = set(elements_of(program))
    sentences: list[Sentence] = []
    prose: list[str] = []
    for number, line in enumerate(lines, start=1):
        match = _LABELLED.fullmatch(line)
        if match is None:
            prose.append(line)
            continue
        element = Element(match[1])
        if element not in known:
            raise ProgramError(
                f"{path}:{number}: expected row:NAME or var:NAME of the program, got {element!r}"
                f"{nearest(element, known)}; correct the label"
            )
        sentences.append(Sentence(match[2], element))
    text = "\n".join(prose).strip()
    if not text and not any(sentence.text.strip() for sentence in sentences):
        raise ProgramError(
            f"{path}: expected a text that says what the program means, got an empty file; write what is true of it, "
            "as prose or as lines `row:NAME: text`, or leave it out"
        )
    return Specification((*sentences, *([Sentence(text)] if text else [])))
