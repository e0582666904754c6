"""Ways to spoil a record's specification; each gives none, one or several spoilt copies of a record.

``of`` in a name: the id is made anew where the content goes into it, by `sealed`, so that no hash gives it away.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Fields = dict[str, Any]
Corruption = Callable[[Fields, Fields], Iterator[Fields]]
"""From a record, and another one of the same cell, to spoilt ones."""


def with_sentences(fields: Fields, sentences: list[Fields]) -> Fields:
    return fields | {"specification": sentences}


def with_text(fields: Fields, position: int, text: str) -> Fields:
    sentences = [dict(sentence) for sentence in fields["specification"]]
    assert sentences[position]["text"] != text
    sentences[position]["text"] = text
    return with_sentences(fields, sentences)


def rows(fields: Fields) -> list[int]:
    return [i for i, s in enumerate(fields["specification"]) if str(s["about"]).startswith("row:")]


def variables(fields: Fields) -> list[int]:
    return [i for i, s in enumerate(fields["specification"]) if str(s["about"]).startswith("var:")]


def objective(fields: Fields) -> int:
    told = enumerate(fields["specification"])
    return next(i for i, s in told if s["about"] is None and re.search(r"\d per ", s["text"]))


def first_culprit(fields: Fields) -> int:
    """The sentence about a faulty element, or any about a row."""
    told = [i for i, s in enumerate(fields["specification"]) if s["about"] in fields["faulty_elements"]]
    return (told or rows(fields))[0]


def replaced(fields: Fields, position: int, pattern: str, by: str | Callable[[re.Match[str]], str]) -> Iterator[Fields]:
    text = fields["specification"][position]["text"]
    changed = re.sub(pattern, by, text, count=1)
    if changed != text:
        yield with_text(fields, position, changed)


def no_text(fields: Fields, other: Fields) -> Iterator[Fields]:
    yield with_sentences(fields, [])


def one_sentence_less(fields: Fields, other: Fields) -> Iterator[Fields]:
    for i in {0, variables(fields)[0], objective(fields), rows(fields)[0], first_culprit(fields)}:
        yield with_sentences(fields, fields["specification"][:i] + fields["specification"][i + 1 :])


def a_sentence_twice(fields: Fields, other: Fields) -> Iterator[Fields]:
    for i in {0, variables(fields)[-1], objective(fields), rows(fields)[-1]}:
        yield with_sentences(fields, [*fields["specification"], fields["specification"][i]])


def another_number_of_a_row(fields: Fields, other: Fields) -> Iterator[Fields]:
    for i in {rows(fields)[0], rows(fields)[-1], first_culprit(fields)}:
        yield from replaced(fields, i, r"\b(\d+)\b", lambda m: str(int(m[1]) + 1))
        yield from replaced(
            fields,
            i,
            r"(at most|no more than|at least|no less than|exactly) (-?\d+)",
            lambda m: f"{m[1]} {int(m[2]) - 1}",
        )
        yield from replaced(fields, i, r"(\d+) per", lambda m: f"{int(m[1]) + 1} per")
        yield from replaced(fields, i, r"(\d+) per", r"\g<1>0 per")


def another_number_of_a_variable(fields: Fields, other: Fields) -> Iterator[Fields]:
    for i in variables(fields)[:2]:
        yield from replaced(fields, i, r" (\d+)", lambda m: f" {int(m[1]) + 1}")
        yield from replaced(fields, i, r" to (\d+)", lambda m: f" to {int(m[1]) + 1}")


def another_number_of_the_objective(fields: Fields, other: Fields) -> Iterator[Fields]:
    yield from replaced(fields, objective(fields), r"(\d+) per", lambda m: f"{int(m[1]) - 1} per")


def the_other_sense(fields: Fields, other: Fields) -> Iterator[Fields]:
    swapped = {
        "at most": "at least",
        "at least": "at most",
        "no more than": "no less than",
        "no less than": "no more than",
    }
    for i in {rows(fields)[0], first_culprit(fields)}:
        yield from replaced(fields, i, "|".join(swapped), lambda m: swapped[m[0]])
        yield from replaced(fields, i, "|".join(swapped), "exactly")


def the_other_direction(fields: Fields, other: Fields) -> Iterator[Fields]:
    yield from replaced(
        fields, objective(fields), r"as (large|small)", lambda m: f"as {'small' * (m[1] == 'large') or 'large'}"
    )
    yield from replaced(fields, objective(fields), "goal : (most|least)", "goal : some")
    yield from replaced(fields, objective(fields), "goal : most [a-z]+", "goal : least cost")


def a_sentence_that_names_the_fault(fields: Fields, other: Fields) -> Iterator[Fields]:
    name = fields["faulty_elements"][0][4:]
    for text in (
        f"The mistake is in {name}.",
        f"Please check {name} ({name}).",
        f"There are 3 things to say of {name}.",
    ):
        for about in (None, fields["faulty_elements"][0]):
            yield with_sentences(fields, [*fields["specification"], {"text": text, "about": about}])


def a_hint_within_a_sentence(fields: Fields, other: Fields) -> Iterator[Fields]:
    i = first_culprit(fields)
    text = fields["specification"][i]["text"]
    for hint in ("Attention: ", "(wrong) ", "! "):
        yield with_text(fields, i, hint + text)
    for hint in (" This one is wrong.", "!", " (sic)", " "):
        yield with_text(fields, i, text + hint)
    yield with_text(fields, 0, f"{fields['specification'][0]['text']} Mind {fields['faulty_elements'][0]}.")


def another_element(fields: Fields, other: Fields) -> Iterator[Fields]:
    sentences = fields["specification"]
    for i, about in (
        (rows(fields)[0], None),
        (rows(fields)[0], sentences[rows(fields)[1]]["about"]),
        (variables(fields)[0], None),
        (variables(fields)[0], sentences[variables(fields)[1]]["about"]),
        (objective(fields), sentences[rows(fields)[0]]["about"]),
        (0, fields["faulty_elements"][0]),
        (rows(fields)[0], sentences[rows(fields)[0]]["about"].replace("row:", "var:")),
        (rows(fields)[0], sentences[rows(fields)[0]]["about"] + " "),
        (rows(fields)[0], ""),
    ):
        if sentences[i]["about"] != about:
            yield with_sentences(fields, [*sentences[:i], sentences[i] | {"about": about}, *sentences[i + 1 :]])


def another_order(fields: Fields, other: Fields) -> Iterator[Fields]:
    """In order where it should be shuffled, and the other way round."""
    first, *rest = fields["specification"]
    if fields["specification"][0]["about"] is not None:  # tiny: always in order
        yield with_sentences(fields, [*rest, first])
        yield with_sentences(fields, [rest[0], first, *rest[1:]])
        return
    yield with_sentences(fields, [*rest, first])
    if fields["difficulty"] == "easy":
        yield with_sentences(fields, [first, rest[1], rest[0], *rest[2:]])
        yield with_sentences(fields, [first, *rest[:-2], rest[-1], rest[-2]])
        yield with_sentences(fields, [first, *reversed(rest)])
        return
    names = {"var:" + n: i for i, n in enumerate(column_names(fields))} | {
        "row:" + n: 1000 + i for i, n in enumerate(row_names(fields))
    }
    ordered = sorted(
        rest, key=lambda s: names[s["about"]] if s["about"] else 999 if re.search(r"\d per ", s["text"]) else 9999
    )
    yield with_sentences(fields, [first, *ordered])


def row_names(fields: Fields) -> list[str]:
    return re.findall(r"^ [LGE] (\S+)$", fields["original_mps"], re.M)


def column_names(fields: Fields) -> list[str]:
    within = fields["original_mps"].split("COLUMNS\n")[1].split("RHS\n")[0]
    return list(dict.fromkeys(line.split()[0] for line in within.splitlines() if "MARKER" not in line))


def other_names(fields: Fields, other: Fields) -> Iterator[Fields]:
    names = column_names(fields)
    for i in {rows(fields)[0], objective(fields)}:
        text = fields["specification"][i]["text"]
        told = [name for name in names if re.search(rf" per {name}\b", text)]
        if len(told) > 1:
            one, two = told[:2]
            yield with_text(fields, i, text.replace(one, "?").replace(two, one).replace("?", two))
        yield from replaced(fields, i, rf"\b{told[0]}\b", "nobody")
    i = rows(fields)[0]
    here, there = row_names(fields)[:2]
    text = fields["specification"][i]["text"]
    swapped_text = text.replace(here, there) if here in text else text.replace(there, here)
    if swapped_text != text:
        yield with_text(fields, i, swapped_text)


def a_term_less_or_more(fields: Fields, other: Fields) -> Iterator[Fields]:
    for i in {rows(fields)[0], objective(fields)}:
        yield from replaced(fields, i, r"(?:less )?\d+ per \w+ ?, ", "")
        yield from replaced(fields, i, r"(\d+ per \w+)( ?, )", r"\1\2\1\2")
        yield from replaced(fields, i, r"(\d+ per \w+)( ?, )(\d+ per \w+)", r"\3\2\1")
        yield from replaced(fields, i, r"(\d+) per", r"less \1 per")


def look_alikes(fields: Fields, other: Fields) -> Iterator[Fields]:
    i = first_culprit(fields)
    for pattern, by in (
        ("a", "\u0430"),
        ("e", "\u0435"),
        (r"(\d)", lambda m: chr(0xFF10 + int(m[1]))),
        (r"(\d)", lambda m: chr(0x0660 + int(m[1]))),
        (" ", "\u00a0"),
        (" ", "\u2009"),
        (" ", "  "),
        (" ", "\t"),
        (" ", "\n"),
        (" ", " \u200b"),
        (" ", "\u2028"),
        ("t", "t\u0301"),
    ):
        yield from replaced(fields, i, pattern, by)
        yield from replaced(fields, 0, pattern, by)


def numbers_in_other_forms(fields: Fields, other: Fields) -> Iterator[Fields]:
    for i in {first_culprit(fields), rows(fields)[0], variables(fields)[0]}:
        for by in (r" 0\1", r" +\1", r" \1.0", r" \1,000", r" -\1", r" 1e\1", r" \1 000", " many"):
            yield from replaced(fields, i, r" (\d+)\b", by)


def other_wording(fields: Fields, other: Fields) -> Iterator[Fields]:
    i = rows(fields)[0]
    text = fields["specification"][i]["text"]
    yield with_text(fields, i, text.upper())
    yield with_text(fields, i, text[0].swapcase() + text[1:])
    yield from replaced(fields, i, "at most", "under")
    yield from replaced(fields, i, "at least", "over")
    yield from replaced(fields, i, r"\.$", "")
    yield with_text(fields, i, "")
    yield with_text(fields, 0, "A brewery plans its week.")


def sentences_of_others(fields: Fields, other: Fields) -> Iterator[Fields]:
    yield with_sentences(fields, other["specification"])
    i, j = rows(fields)[0], rows(other)[0]
    if fields["specification"][i] != other["specification"][j]:
        yield with_sentences(
            fields, [*fields["specification"][:i], other["specification"][j], *fields["specification"][i + 1 :]]
        )
    yield with_sentences(fields, [*fields["specification"], other["specification"][j]])
    if other["specification"][0]["text"] != fields["specification"][0]["text"]:
        yield with_text(fields, 0, other["specification"][0]["text"])


def idle_sentences(fields: Fields, other: Fields) -> Iterator[Fields]:
    """One more, one less, one with a number that none has, one twice."""
    idle = [
        i
        for i, s in enumerate(fields["specification"])
        if i and s["about"] is None and not re.search(" per ", s["text"])
    ]
    for text in ("The office moved 7 weeks ago.", "The building has 12 doors.", "The yard has 5 lamp posts."):
        yield with_sentences(fields, [*fields["specification"], {"text": text, "about": None}])
    for i in idle[:1]:
        yield with_sentences(fields, fields["specification"][:i] + fields["specification"][i + 1 :])
        yield from replaced(fields, i, r"\d+", "999")
        yield from replaced(fields, i, r"\d+", "0")
        yield with_sentences(
            fields,
            [*fields["specification"][: idle[1]], fields["specification"][i], *fields["specification"][idle[1] + 1 :]],
        )


def keys_of_sentences(fields: Fields, other: Fields) -> Iterator[Fields]:
    first, *rest = fields["specification"]
    yield with_sentences(fields, [first | {"note": 1}, *rest])
    yield with_sentences(fields, [{"text": first["text"]}, *rest])
    yield with_sentences(fields, [{"about": first["about"], "text": first["text"]}, *rest])
    yield with_sentences(fields, [first["text"], *rest])
    yield fields | {"specification": " ".join(s["text"] for s in fields["specification"])}


TEXTS: tuple[Corruption, ...] = (
    no_text,
    one_sentence_less,
    a_sentence_twice,
    another_number_of_a_row,
    another_number_of_a_variable,
    another_number_of_the_objective,
    the_other_sense,
    the_other_direction,
    a_sentence_that_names_the_fault,
    a_hint_within_a_sentence,
    another_element,
    another_order,
    other_names,
    a_term_less_or_more,
    look_alikes,
    numbers_in_other_forms,
    other_wording,
    sentences_of_others,
    idle_sentences,
    keys_of_sentences,
)
