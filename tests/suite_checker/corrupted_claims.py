"""Ways to spoil what a record says of itself: its names, its figures, its evidence, its keys."""

import json
import math
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from corrupted_texts import Corruption, Fields

DOMAINS = (
    "production", "blending", "transportation", "lot_sizing", "capital_budgeting", "staffing", "assignment",
    "network_flow", "facility_location", "set_covering",
)  # fmt: skip
Path = tuple[str | int, ...]


def figure(fields: Fields, **changed: object) -> Fields:
    return fields | {"certificate": fields["certificate"] | changed}


def another_id(fields: Fields, other: Fields) -> Iterator[Fields]:
    for id_ in ("0" * 64, other["id"], fields["id"].upper(), fields["id"][:-1], "", 7, None):
        if id_ != fields["id"]:
            yield fields | {"id": id_}


def another_split(fields: Fields, other: Fields) -> Iterator[Fields]:
    for split in ("train", "validation", "TEST", "", None):
        yield fields | {"split": split}


def another_domain(fields: Fields, other: Fields) -> Iterator[Fields]:
    for domain in (*DOMAINS, "programs", "published", "Production", ""):
        if domain != fields["domain"]:
            yield fields | {"domain": domain}


def another_kind(fields: Fields, other: Fields) -> Iterator[Fields]:
    for kind in (*"ABCDEFGHI", "J", "a", ""):
        if kind != fields["kind"]:
            yield fields | {"kind": kind}
            certificate = {key: value for key, value in fields["certificate"].items() if key != "evidence"}
            yield fields | {"kind": kind, "certificate": certificate}


def another_difficulty(fields: Fields, other: Fields) -> Iterator[Fields]:
    for difficulty in ("easy", "medium", "hard", "Easy", "very hard", ""):
        if difficulty != fields["difficulty"]:
            yield fields | {"difficulty": difficulty}


def another_version(fields: Fields, other: Fields) -> Iterator[Fields]:
    version = fields["generator_version"]
    for value in (version - 1, version + 1, 0, -version, float(version), str(version), True, None):
        yield fields | {"generator_version": value}


def another_objective(fields: Fields, other: Fields) -> Iterator[Fields]:
    value = fields["original_objective"]
    for changed in (value + 1, value * 1.001, -value, 0.0, None, str(value), math.nan, math.inf, True, 1e308):
        if changed != value:
            yield fields | {"original_objective": changed}


def another_variant(fields: Fields, other: Fields) -> Iterator[Fields]:
    variant = fields["certificate"]["variant"]
    known = ("reversed_sense", "wrong_rhs", "added_row", "wrong_type", "wrong_lower_bound", "wrong_upper_bound")
    known += ("crossed_bounds", "dropped", "negated", "unit_slip_10", "unit_slip_1000", "", f"{variant}+{variant}")
    for changed in known:
        if changed != variant:
            yield figure(fields, variant=changed)


def another_figure(fields: Fields, other: Fields) -> Iterator[Fields]:
    for key in ("violation", "property_margin", "conflict_size", "num_decoys"):
        value = fields["certificate"][key]
        for changed in (
            value + 1,
            value - 1,
            value * 1.001 + 0.001,
            -value - 1,
            math.nan,
            str(value),
            None,
            True,
            1e300,
        ):
            yield figure(fields, **{key: changed})


def leaves_of_numbers(fields: Fields) -> Iterator[Path]:
    """The place of every float of the certificate."""
    for path in leaves_of(fields["certificate"]):
        inside: Any = fields["certificate"]
        for step in path:
            inside = inside[step]
        if isinstance(inside, float):
            yield path


def whole_numbers_without_a_point(fields: Fields, other: Fields) -> Iterator[Fields]:
    """224 for 224.0, which compares equal."""

    def without_point(inside: Any, key: Any) -> None:
        inside[key] = int(inside[key])

    if fields["original_objective"].is_integer():
        yield fields | {"original_objective": int(fields["original_objective"])}
    for path in leaves_of_numbers(fields):
        found = changed_at(fields, path, without_point)
        if found is not None:
            yield found


def off_by_a_millionth(fields: Fields, other: Fields) -> Iterator[Fields]:
    """Of 1 at least, so that a tolerance of the solver's size forgives it."""

    def more(inside: Any, key: Any) -> None:
        inside[key] += 1e-6 * max(1.0, abs(inside[key]))

    objective = fields["original_objective"]
    yield fields | {"original_objective": objective + 1e-6 * max(1.0, abs(objective))}
    for path in leaves_of_numbers(fields):
        found = changed_at(fields, path, more)
        if found is not None:
            yield found


def a_certificate_of_another(fields: Fields, other: Fields) -> Iterator[Fields]:
    if other["certificate"] != fields["certificate"]:
        yield fields | {"certificate": other["certificate"]}
    yield fields | {"certificate": {}}
    yield fields | {"certificate": None}
    yield fields | {"certificate": [fields["certificate"]]}


def other_evidence(fields: Fields, other: Fields) -> Iterator[Fields]:
    yield figure(fields, evidence=None)
    yield figure(fields, evidence={})
    yield figure(fields, evidence=[])
    if "evidence" not in fields["certificate"]:
        yield figure(fields, evidence={"conflicts": [{"members": [{"part": "row", "name": "x"}]}]})
        return
    if other["certificate"]["evidence"] != fields["certificate"]["evidence"]:
        yield figure(fields, evidence=other["certificate"]["evidence"])
    for key in fields["certificate"]["evidence"]:
        yield figure(fields, evidence={k: v for k, v in fields["certificate"]["evidence"].items() if k != key})
    yield figure(fields, evidence=fields["certificate"]["evidence"] | {"note": 1})


def leaves_of(value: Any, path: Path = ()) -> Iterator[Path]:
    """The place of every number, text and list item."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from leaves_of(inner, (*path, key))


def changed_at(fields: Fields, path: Path, change: Any) -> Fields | None:
    certificate = deepcopy(fields["certificate"])
    inside: Any = certificate
    for step in path[:-1]:
        inside = inside[step]
    change(inside, path[-1])
    return (
        None if json.dumps(certificate) == json.dumps(fields["certificate"]) else fields | {"certificate": certificate}
    )


def _more(inside: Any, key: Any) -> None:
    if isinstance(inside[key], float | int):
        inside[key] += 1
    elif isinstance(inside[key], str):
        inside[key] += "x"


def _deleted(inside: Any, key: Any) -> None:
    del inside[key]


def _twice(inside: Any, key: Any) -> None:
    if isinstance(inside, list):
        inside.insert(key, inside[key])


def _swapped(inside: Any, key: Any) -> None:
    if isinstance(inside, list) and key:
        inside[key - 1], inside[key] = inside[key], inside[key - 1]


def _null(inside: Any, key: Any) -> None:
    inside[key] = None


def every_leaf(fields: Fields, other: Fields) -> Iterator[Fields]:
    for path in leaves_of(fields["certificate"]):
        for change in (_more, _deleted, _twice, _swapped, _null):
            found = changed_at(fields, path, change)
            if found is not None:
                yield found


def other_parts(fields: Fields, other: Fields) -> Iterator[Fields]:
    """A lower bound for an upper one, a row for a variable."""
    swapped = {"lower": "upper", "upper": "lower", "row": "lower", "integrality": "row"}

    def swap(inside: Any, key: Any) -> None:
        if key == "part":
            inside[key] = swapped[inside[key]]

    for path in leaves_of(fields["certificate"]):
        found = changed_at(fields, path, swap)
        if found is not None:
            yield found


def blame_of_others(fields: Fields, other: Fields) -> Iterator[Fields]:
    """Kind F: what the smallest relaxation violates is everything, nothing, the faulty element, another one."""
    evidence = fields["certificate"].get("evidence", {})
    if "relaxed" not in evidence:
        return
    told = [s["about"] for s in fields["specification"] if s["about"] is not None]
    true = [element for element in told if element not in fields["faulty_elements"]]
    unblamed = [element for element in true if element not in evidence["relaxed"]]
    for blamed in (
        told,
        true,
        [],
        fields["faulty_elements"],
        [*evidence["relaxed"], *unblamed],
        [*evidence["relaxed"], *fields["faulty_elements"]],
        evidence["relaxed"] * 2,
    ):
        yield figure(fields, evidence=evidence | {"relaxed": blamed})


def keys_of_a_record(fields: Fields, other: Fields) -> Iterator[Fields]:
    for key in fields:
        yield {k: v for k, v in fields.items() if k != key}
        yield {(k if k != key else f"{k}_"): v for k, v in fields.items()}
        yield fields | {key: None}
        yield fields | {key: [fields[key]]}
    yield fields | {"hint": "the first row"}
    yield {"hint": "the first row", **fields}
    yield figure(fields, hint=1)
    yield dict(reversed(fields.items()))
    yield fields | {"certificate": dict(reversed(fields["certificate"].items()))}


def fields_of_another(fields: Fields, other: Fields) -> Iterator[Fields]:
    for key in fields:
        if other[key] != fields[key]:
            yield fields | {key: other[key]}


CLAIMS: tuple[Corruption, ...] = (
    another_id,
    another_split,
    another_domain,
    another_kind,
    another_difficulty,
    another_version,
    another_objective,
    another_variant,
    another_figure,
    whole_numbers_without_a_point,
    off_by_a_millionth,
    a_certificate_of_another,
    other_evidence,
    every_leaf,
    other_parts,
    blame_of_others,
    keys_of_a_record,
    fields_of_another,
)


def lines_of(line: str) -> Iterator[str]:
    """The same record, written as no record is."""
    fields = json.loads(line)
    yield line + line
    yield line + " {}"
    yield line + ","
    yield line[:-1]
    yield line[:-1] + ', "kind": "A"}'
    yield '{"kind": "A", ' + line[1:]
    yield line.replace('"text": ', '"text": "", "text": ', 1)
    yield f" {line}"
    yield f"{line} "
    yield line.replace('", "', '","', 1)
    yield json.dumps(fields, indent=1).replace("\n", "")
    yield json.dumps(fields, sort_keys=True)
    yield line.replace('"split"', '"\\u0073plit"', 1)
    yield json.dumps([fields])
    yield json.dumps(line)
    yield ""
    yield "null"
    yield f"[{line}]"
    yield "{" * 100_000
    yield f"\ufeff{line}"
    yield line.replace('"original_objective": ', '"original_objective": 0', 1)
    yield line.replace('"original_objective": ', '"original_objective": 1e999, "x": ', 1)
    yield line.replace('"conflict_size": ', '"conflict_size": 000', 1)
    yield line.replace('"about": null', '"about": "\\ud800"', 1)
