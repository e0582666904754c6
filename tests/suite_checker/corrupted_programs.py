"""Ways to spoil a record's programs and its inverse; each gives none, one or several spoilt copies of a record."""

import json
import re
from collections.abc import Iterator

from corrupted_texts import Corruption, Fields, column_names, row_names


def replaced(fields: Fields, key: str, pattern: str, by: str, count: int = 1) -> Iterator[Fields]:
    changed = re.sub(pattern, by, fields[key], count=count, flags=re.M)
    if changed != fields[key]:
        yield fields | {key: changed}


def both(fields: Fields, pattern: str, by: str) -> Iterator[Fields]:
    """In the original and in the faulty program alike."""
    for one in replaced(fields, "original_mps", pattern, by):
        yield from replaced(one, "faulty_mps", pattern, by)


PROGRAMS_OF = ("original_mps", "faulty_mps")


def another_right_hand_side(fields: Fields, other: Fields) -> Iterator[Fields]:
    for key in PROGRAMS_OF:
        yield from replaced(fields, key, r"^(    RHS \S+ )(\S+)$", r"\g<1>77.0")
        yield from replaced(fields, key, r"^(    RHS \S+ )(\S+)$", r"\g<1>1\2")
    yield from both(fields, r"^(    RHS \S+ )(\S+)$", r"\g<1>1\2")


def another_coefficient(fields: Fields, other: Fields) -> Iterator[Fields]:
    row = row_names(fields)[-1]
    for key in PROGRAMS_OF:
        yield from replaced(fields, key, rf"^(    \S+ {row} )(\S+)$", r"\g<1>1\2")
        yield from replaced(fields, key, rf"^    \S+ {row} \S+\n", "")
    yield from both(fields, rf"^(    \S+ {row} )(\S+)$", r"\g<1>1\2")


def another_cost(fields: Fields, other: Fields) -> Iterator[Fields]:
    for key in PROGRAMS_OF:
        yield from replaced(fields, key, r"^(    \S+ OBJECTIVE )(\S+)$", r"\g<1>1\2")
    yield from both(fields, r"^(    \S+ OBJECTIVE )(\S+)$", r"\g<1>1\2")
    yield from both(fields, r"^RHS$", "RHS\n    RHS OBJECTIVE 5.0")


def another_bound(fields: Fields, other: Fields) -> Iterator[Fields]:
    for key in PROGRAMS_OF:
        yield from replaced(fields, key, r"^( UP BOUND \S+ )(\S+)$", r"\g<1>9\2")
        yield from replaced(fields, key, r"^( LO BOUND \S+ )(\S+)$", r"\g<1>-1.0")
    yield from both(fields, r"^( UP BOUND \S+ )(\S+)$", r"\g<1>9\2")
    yield from both(fields, r"^ UP BOUND (\S+) (\S+)$", r" PL BOUND \1")


def another_sense_or_direction(fields: Fields, other: Fields) -> Iterator[Fields]:
    for key in PROGRAMS_OF:
        yield from replaced(fields, key, r"^ L ", " G ")
        yield from replaced(fields, key, r"^ G ", " E ")
        yield from replaced(fields, key, "    MAX", "    MIN")
        yield from replaced(fields, key, "    MIN", "    MAX")
    yield from both(fields, "    MAX", "    MIN")
    yield from both(fields, "    MIN", "    MAX")


def another_type(fields: Fields, other: Fields) -> Iterator[Fields]:
    marker = r"^    MARKER 'MARKER' 'INT(ORG|END)'\n"
    for key in PROGRAMS_OF:
        yield from replaced(fields, key, marker, "", count=0)
    for one in replaced(fields, "original_mps", marker, "", count=0):
        yield from replaced(one, "faulty_mps", marker, "", count=0)


def rows_in_another_order(fields: Fields, other: Fields) -> Iterator[Fields]:
    for key in PROGRAMS_OF:
        yield from replaced(fields, key, r"^( [LGE] \S+\n)( [LGE] \S+\n)", r"\2\1")


def columns_in_another_order(fields: Fields, other: Fields) -> Iterator[Fields]:
    first, second = column_names(fields)[:2]
    for key in PROGRAMS_OF:
        swapped = re.sub(rf"\b({first}|{second})\b", lambda m: second if m[0] == first else first, fields[key])
        yield fields | {key: swapped}


def other_names(fields: Fields, other: Fields) -> Iterator[Fields]:
    row, column = row_names(fields)[0], column_names(fields)[0]
    for name, new in ((row, f"{row}_wrong"), (column, f"{column}_saboteur"), (row, "here"), (row, f"{row}\u0435")):
        renamed = {key: re.sub(rf"\b{name}\b", new, fields[key]) for key in PROGRAMS_OF}
        yield fields | renamed
        for key in PROGRAMS_OF:
            yield fields | {key: renamed[key]}
        everywhere = json.loads(re.sub(rf"\b{name}\b", new, json.dumps(fields, ensure_ascii=False)))
        yield everywhere


def rows_more_or_less(fields: Fields, other: Fields) -> Iterator[Fields]:
    row, column = row_names(fields)[0], column_names(fields)[0]
    for key in PROGRAMS_OF:
        yield from replaced(fields, key, r"^COLUMNS$", " L idle\nCOLUMNS")
        yield from replaced(fields, key, r"^COLUMNS$", " N idle\nCOLUMNS")
    yield from both(fields, r"^COLUMNS$", " N idle\nCOLUMNS")
    yield from both(fields, r"^COLUMNS$", f" L idle\nCOLUMNS\n    {column} idle 1.0")
    yield from both(fields, rf"^ [LGE] {row}\n", "")


def mps_in_other_forms(fields: Fields, other: Fields) -> Iterator[Fields]:
    for pattern, by in (
        ("^NAME lit_grpo", "NAME other"),
        ("^NAME lit_grpo", "* the fault is in the first row\nNAME lit_grpo"),
        ("^ENDATA", "* a remark\nENDATA"),
        (r"\nENDATA\n", "\nENDATA\n\n"),
        (r"^ROWS$", "ROWS "),
        (r"^    RHS (\S+) (\d+)\.0$", r"    RHS \1 \2"),
        (r"^    RHS (\S+) (\d+)\.0$", r"    RHS \1 \2.0e0"),
        (r"^    RHS (\S+) (\d+)\.0$", r"    RHS2 \1 \2.0"),
        (r"^( LO BOUND \S+) 0.0$", r"\1 -0.0"),
        (r"^RHS$", "RHS\n    RHS OBJECTIVE -0.0"),
        (r"^BOUNDS$", "RANGES\nBOUNDS"),
        (r"^ROWS\n N OBJECTIVE", "ROWS\n N COST"),
        (r"^( LO BOUND \S+ \S+)$", r"\1\n\1"),
        ("\n", "\r\n"),
        ("^    ", "  "),
    ):
        for key in PROGRAMS_OF:
            yield from replaced(fields, key, pattern, by)
        yield from both(fields, pattern, by)


def numbers_too_large_or_small(fields: Fields, other: Fields) -> Iterator[Fields]:
    for number in (
        "1e300",
        "1e-12",
        "1e20",
        "-1e30",
        "nan",
        "inf",
        "1.7976931348623157e+308",
        "5e-324",
        "1000000000.0",
    ):
        for pattern in (r"^(    RHS \S+ )(\S+)$", r"^(    \S+ OBJECTIVE )(\S+)$", r"^( UP BOUND \S+ )(\S+)$"):
            yield from both(fields, pattern, rf"\g<1>{number}")


def programs_swapped_or_of_others(fields: Fields, other: Fields) -> Iterator[Fields]:
    yield fields | {"original_mps": fields["faulty_mps"], "faulty_mps": fields["original_mps"]}
    yield fields | {"faulty_mps": fields["original_mps"]}
    yield fields | {"original_mps": fields["faulty_mps"]}
    for key in PROGRAMS_OF:
        yield fields | {key: other[key]}
        yield fields | {key: ""}
        yield fields | {key: "NAME"}
    yield fields | {key: other[key] for key in PROGRAMS_OF}


def other_declarations(fields: Fields, other: Fields) -> Iterator[Fields]:
    name = column_names(fields)[0]
    idle = f'{{"action":"set_type","variable":"{name}","type":"continuous"}}'
    bounds = f'{{"action":"set_bounds","variable":"{name}","lower":0,"upper":7}}'
    for key in ("original_declarations", "faulty_declarations"):
        yield fields | {key: [*fields[key], idle]}
        yield fields | {key: [*fields[key], bounds]}
        yield fields | {key: [*fields[key], idle.replace("continuous", "integer")]}
        yield fields | {key: [*fields[key], "nothing"]}
        yield fields | {key: [*fields[key], f'{{"action":"set_rhs","row":"{row_names(fields)[0]}","value":1}}']}
        if fields[key]:
            yield fields | {key: fields[key][:-1]}
            yield fields | {key: fields[key] + fields[key]}


def idle_actions(fields: Fields, other: Fields) -> Iterator[Fields]:
    """Actions that change nothing: each would count as a turn that a repair takes."""
    row, inverse = row_names(fields)[0], fields["inverse_actions"]
    true = re.search(rf"^    RHS {row} (\S+)$", fields["original_mps"], re.M)
    value = json.dumps(float(true[1]) if true else 0.0).removesuffix(".0")
    idle = f'{{"action":"set_rhs","row":"{row}","value":{value}}}'
    away = f'{{"action":"set_rhs","row":"{row}","value":12345}}'
    kept = fields["faulty_elements"]
    for actions in (
        [*inverse, idle],
        [idle, *inverse],
        [*inverse] * 2,
        [*inverse, *[idle] * 4],
        [*inverse, away, idle],
    ):
        elements = list(dict.fromkeys([*kept, f"row:{row}"]))
        yield fields | {"inverse_actions": actions}
        yield fields | {"inverse_actions": actions, "faulty_elements": elements}
        yield fields | {"inverse_actions": actions, "faulty_elements": list(reversed(elements))}
    first = inverse[0]
    for wrong in (re.sub(r"(\d+)\}", r"1\1}", first), re.sub(r'"lower":(\d+)', r'"lower":1\1', first)):
        if wrong != first:
            yield fields | {"inverse_actions": [wrong, *inverse]}
            yield fields | {"inverse_actions": [*[wrong] * 4, *inverse]}


def other_inverses(fields: Fields, other: Fields) -> Iterator[Fields]:
    inverse = fields["inverse_actions"]
    yield fields | {"inverse_actions": []}
    yield fields | {"inverse_actions": other["inverse_actions"]}
    yield fields | {"inverse_actions": inverse[:-1]}
    if len(inverse) > 1:
        yield fields | {"inverse_actions": inverse[::-1]}
        yield fields | {"inverse_actions": inverse[::-1], "faulty_elements": fields["faulty_elements"][::-1]}
    first = inverse[0]
    for pattern, by in ((r"(\d+)\}", r"1\1}"), ('">="', '"<="'), ('"<="', '">="'), ('"lower":0', '"lower":1')):
        changed = re.sub(pattern, by, first, count=1)
        if changed != first:
            yield fields | {"inverse_actions": [changed, *inverse[1:]]}
    if '"row"' in first:
        yield fields | {
            "inverse_actions": [f'{{"action":"drop","row":"{fields["faulty_elements"][0][4:]}"}}', *inverse[1:]]
        }
    yield fields | {"inverse_actions": ['{"action":"restore"}', *inverse]}


def actions_in_other_forms(fields: Fields, other: Fields) -> Iterator[Fields]:
    first, *rest = fields["inverse_actions"]
    for pattern, by in (
        (":", ": "),
        (r"\{", '{"diagnosis":[],'),
        (r"\{", '{"note":1,'),
        (r"\{", '{"action":"drop",'),
        (r"(\d)([},])", r"\1.0\2"),
        (r"(\d)([},])", r"\1e0\2"),
        (r":0\b", ":-0"),
        ("a", r"\\u0061"),
        (r"$", " "),
        (r"^", "Repair: "),
        (r'"(value|lower|upper)":\S+?([,}])', r'"\1":"7"\2'),
        (r'"(value|lower|upper)":\S+?([,}])', r'"\1":true\2'),
        (r'"(value|lower|upper)":\S+?([,}])', r'"\1":NaN\2'),
        (r'"(value|lower|upper)":\S+?([,}])', r'"\1":1e9\2'),
    ):
        changed = re.sub(pattern, by, first, count=1)
        if changed != first:
            yield fields | {"inverse_actions": [changed, *rest]}
    yield fields | {"inverse_actions": [json.loads(first), *rest]}
    reordered = dict(reversed(json.loads(first).items()))
    yield fields | {"inverse_actions": [json.dumps(reordered, separators=(",", ":")), *rest]}


def other_elements(fields: Fields, other: Fields) -> Iterator[Fields]:
    elements, row = fields["faulty_elements"], f"row:{row_names(fields)[0]}"
    for changed in (
        [],
        elements[1:],
        [*elements, row if row not in elements else f"var:{column_names(fields)[0]}"],
        elements + elements,
        [element[4:] for element in elements],
        [element.replace("row:", "var:").replace("var:", "row:") for element in elements][:0] or ["row:nothing"],
        other["faulty_elements"],
        elements[::-1],
        ", ".join(elements),
    ):
        if changed != elements:
            yield fields | {"faulty_elements": changed}


PROGRAMS: tuple[Corruption, ...] = (
    another_right_hand_side,
    another_coefficient,
    another_cost,
    another_bound,
    another_sense_or_direction,
    another_type,
    rows_in_another_order,
    columns_in_another_order,
    other_names,
    rows_more_or_less,
    mps_in_other_forms,
    numbers_too_large_or_small,
    programs_swapped_or_of_others,
    other_declarations,
    idle_actions,
    other_inverses,
    actions_in_other_forms,
    other_elements,
)
