"""Names in an LP file that are no names: units, exponents, numbers in words, slips of capitals. Called by lp.py.

The format takes any word for a variable, so that ``x + y >= 50 kg`` says something: that x + y is at least 50 times a
variable kg, which is free to be 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lit_grpo.environment.programs.reading.draft import ProgramDraft
from lit_grpo.environment.programs.reading.lp_tokens import Kind, Section, SectionTokens, Token


def look_for_slips(draft: ProgramDraft, found: Sequence[SectionTokens]) -> None:
    """Refuse or note what a lenient reader takes for a variable.

    Args:
        draft: What was read of the file.
        found: All of its sections.

    Raises:
        ProgramError: A unit behind a number, or a number whose end is the name of a variable.
    """
    occurs = Counter(token.text for part in found for token in part.tokens if token.kind is Kind.NAME)
    for part in found:
        for at, token in enumerate(part.tokens):
            if token.kind is Kind.NUMBER:
                _require_no_name_in_it(draft, part, token)
            elif part.section is Section.ROWS and token.kind is Kind.NAME and occurs[token.text] == 1:
                _require_no_unit(draft, part, at)
    _note_capitals(draft)


def _require_no_name_in_it(draft: ProgramDraft, part: SectionTokens, number: Token) -> None:
    """Refuse ``2e1`` where a variable is called e1: it could be 20 or twice that variable."""
    at = number.text.lower().find("e")
    name = number.text[at:]
    if at > 0 and name in draft.variables:
        raise draft.source.refusal(
            number.span,
            part.section,
            f"a number that does not end like the variable {name}",
            repr(number.text),
            f"write {float(number.text):g}, or a blank before the name",
        )


def _require_no_unit(draft: ProgramDraft, part: SectionTokens, at: int) -> None:
    """Refuse ``>= 50 kg``, ``50%``, ``1'000``, ``1d3`` and ``1.0D+02``, and note ``>= four``.

    Args:
        draft: What was read of the file.
        part: A section.
        at: The position of a name that the file has nowhere else.
    """
    tokens = part.tokens
    name, following = tokens[at], tokens[at + 1] if at + 1 < len(tokens) else None
    number = tokens[at - 1] if at and tokens[at - 1].kind is Kind.NUMBER and tokens[at - 1].line == name.line else None
    before = at - 1 if number is None else at - 2
    while before > 0 and tokens[before].kind is Kind.SIGN:
        before -= 1
    ends_there = following is None or following.kind not in (Kind.SIGN, Kind.COLON)
    is_right_side = before > 0 and tokens[before].kind is Kind.SENSE and ends_there
    is_exponent = (
        number is not None
        and name.text in "dD"
        and following is not None
        and following.kind is Kind.SIGN
        and following.span.start - len(name.text) == number.span.end
    )
    if number is None and is_right_side:
        draft.note(name.span, f"{name.text} occurs nowhere else; if a number is meant, write it in digits")
    elif number is not None and (is_exponent or (is_right_side and tokens[before - 1].kind is Kind.NAME)):
        written = number.span.to(name.span)
        raise draft.source.refusal(
            written,
            part.section,
            "a number, or a variable that occurs elsewhere too",
            repr(draft.source.of(written)),
            "write a number in digits, without a unit or a D; give a variable a bound, or a place in the objective",
        )


def _note_capitals(draft: ProgramDraft) -> None:
    """Note names that differ in capitals alone: a slip makes another variable."""
    first: dict[str, str] = {}
    pairs = [(first.setdefault(name.lower(), name), name) for name in draft.variables]
    alike = [f"{known} and {name}" for known, name in pairs if known != name]
    if alike:
        names = ", ".join(alike[:5]) + (" and others" if len(alike) > 5 else "")
        draft.note(None, f"names that differ in capitals alone are different variables: {names}")
