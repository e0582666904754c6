"""Spoilt records: the checker believes nothing of them.

1. Of each kind at each difficulty, and of tiny programs, a record of the generator holds; spoilt in any of the ways of
   corrupted_texts.py, corrupted_programs.py and corrupted_claims.py it is refused, with its id made anew where that can
   be done, so that no hash gives it away. Each record is spoilt in every way once, in another place than the last one;
   ``--every-corruption`` takes all places.
2. So is one that is written otherwise.
3. What the checker knows of the generator's texts, sizes and difficulties is what the generator has.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from itertools import islice
from random import Random

import pytest
from corrupted_claims import CLAIMS, another_id, lines_of
from corrupted_programs import PROGRAMS
from corrupted_texts import TEXTS, Corruption, Fields

from lit_grpo.data.benchmark import task_to_record
from lit_grpo.data.contract import CURRENT
from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains import build_base, domains_of
from lit_grpo.environment.domains.base import Domain, ProgramSize, Wording
from lit_grpo.environment.faults.difficulty import PROFILES, Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind, kinds_of
from lit_grpo.environment.faults.kinds.multiple import NUM_FAULTS
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.suite_checker import difficulty, layout, manifest
from lit_grpo.suite_checker.certificates import failures
from lit_grpo.suite_checker.records import content_id, read_record
from lit_grpo.suite_checker.requirements import Judge
from lit_grpo.suite_checker.strict_json import RecordError
from lit_grpo.suite_checker.wording import WORDS
from lit_grpo.suite_checker.wording.tiny import TINY_WORDS

Cell = tuple[FaultKind, Difficulty, ProgramSize | None]
CELLS: list[Cell] = [(kind, difficulty, None) for kind in FaultKind for difficulty in Difficulty]
CELLS += [(kind, difficulty, ProgramSize.TINY) for kind in kinds_of(ProgramSize.TINY) for difficulty in Difficulty]
CORRUPTIONS: tuple[Corruption, ...] = (*TEXTS, *PROGRAMS, *CLAIMS)


@cache
def honest(cell: Cell) -> tuple[Fields, Fields]:
    """Two records of a cell."""
    kind, level, size = cell
    settings = TaskSettings(size=size, kinds={kind: 1.0}, difficulties={level: 1.0})
    one, other = (task_to_record(generate_task(settings, Split.TEST, 11, i, HighsSolver())) for i in range(2))
    return json.loads(json.dumps(one)), json.loads(json.dumps(other))


@cache
def judge() -> Judge:
    return Judge()


def complaint(line: str) -> str | None:
    """The first thing that does not hold; None if all does."""
    try:
        return next(failures(read_record(line), judge()), None)
    except RecordError as error:
        return str(error)


def text_of(fields: Fields) -> str:
    return json.dumps(fields, ensure_ascii=False)


def resealed(fields: Fields, corruption: Corruption) -> Fields:
    """With the id of the content as it now is, unless the content cannot be read or the id is what was spoilt."""
    if corruption is another_id:
        return fields
    try:
        return fields | {"id": content_id(read_record(text_of(fields)))}
    except RecordError:
        return fields


def spoilt(cell: Cell, corruption: Corruption) -> Iterator[Fields]:
    """The record spoilt in every place; its id is made anew later, of the places that are taken."""
    one, other = honest(cell)
    for fields in corruption(one, other):
        is_resealed = corruption is not another_id and isinstance(fields.get("id"), str)
        if text_of(fields | {"id": one["id"]} if is_resealed else fields) != text_of(one):
            yield fields


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: "_".join(str(part) for part in cell if part))
def test_1_whatever_is_spoilt_is_refused(cell: Cell, pytestconfig: pytest.Config) -> None:
    assert complaint(text_of(honest(cell)[0])) is None
    takes_all, place = pytestconfig.getoption("--every-corruption", default=False), CELLS.index(cell)
    for corruption in CORRUPTIONS:
        found = list(spoilt(cell, corruption))
        chosen = found if takes_all else found[place % len(found) :][:1] if found else []
        for fields in chosen:
            sealed = resealed(fields, corruption)
            assert complaint(text_of(sealed)) is not None, f"{corruption.__name__}, {found.index(fields)}"


def test_1b_there_are_many_ways() -> None:
    names = {corruption.__name__ for corruption in CORRUPTIONS}
    assert len(CORRUPTIONS) + len(list(lines_of(text_of(honest(CELLS[0])[0])))) >= 60
    assert len(names) >= 50


@pytest.mark.parametrize("kind", FaultKind)
def test_2_a_record_that_is_written_otherwise_is_refused(kind: FaultKind) -> None:
    line = text_of(honest((kind, Difficulty.EASY, None))[0])
    assert complaint(line) is None
    for written in lines_of(line):
        if written != line:
            assert complaint(written) is not None, written[:200]


def test_3_versions() -> None:
    assert CURRENT.generator == layout.GENERATOR_VERSION
    assert asdict(CURRENT) == manifest.KNOWN


def test_3b_difficulties() -> None:
    for level, profile in PROFILES.items():
        assert difficulty.OTHERS[level] == profile.others
        assert difficulty.DISTANT_OTHERS[level] == profile.distant_others
        assert difficulty.ROWS_WITH_ADDED[level] == profile.rows_with_added
        assert difficulty.TINY_SUSPECTS[level] == profile.tiny_suspects
        assert difficulty.SIZE[level] == profile.size
        assert difficulty.NUM_FAULTS[level] == NUM_FAULTS[level]
        wording = difficulty.WORDING[level]
        assert wording.is_shuffled == profile.wording.shuffled
        assert wording.num_distractors == profile.wording.num_distractors


@pytest.mark.parametrize("domain", [domain for domain in Domain if domain is not Domain.PROGRAMS])
def test_3c_every_sentence_and_size_of_a_domain_is_known(domain: Domain) -> None:
    """Every template and every size is met in some hundred programs, and nothing else."""
    words, met = WORDS[domain.value], set()
    patterns = [*words.variable_patterns, *words.objective_patterns, *words.distractor_patterns]
    patterns += [pattern for sort in words.rows for pattern in sort.patterns]
    numbers: dict[str, list[int]] = {}
    for seed in range(80):
        for size in (ProgramSize.SMALL, ProgramSize.MEDIUM, ProgramSize.LARGE):
            base = build_base(domain, size, Wording(num_distractors=3), Random(seed))
            numbers.setdefault(size.value, []).append(len(base.program.variables))
            first, *rest = base.specification.sentences
            assert first.text == words.introduction
            assert {row.name for row in base.program.constraints} | set(base.spare_row_names) == words.row_names
            for sentence in rest:
                matching = [pattern for pattern in patterns if pattern.fullmatch(sentence.text)]
                assert matching, sentence.text
                met.update(matching)
    assert met == set(patterns)
    for size, found in numbers.items():
        least, most = words.sizes[size]
        assert 0 <= min(found) - least <= 1, size  # a grid that misses two pairs is rare
        assert 0 <= most - max(found) <= 1, size


def test_3d_tiny_domains() -> None:
    assert set(TINY_WORDS) == set(domains_of(ProgramSize.TINY))
    for domain, words in TINY_WORDS.items():
        nouns: set[str] = set()
        for seed in range(60):
            base = build_base(Domain(domain), ProgramSize.TINY, Wording(), Random(seed))
            nouns.update(match[1] for s in base.specification.sentences if (match := re.match(r"[xy] : (\w+)", s.text)))
        assert nouns == words.nouns


def test_3e_the_first_ways_spoil_something() -> None:
    """No corruption is empty for every kind."""
    cells = [(kind, Difficulty.EASY, None) for kind in FaultKind] + [(FaultKind.SENSE, Difficulty.HARD, None)]
    for corruption in CORRUPTIONS:
        assert any(list(islice(spoilt(cell, corruption), 1)) for cell in cells), corruption.__name__
