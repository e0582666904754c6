"""An excerpt says of its rows and variables what the whole text says of them, and of nothing else."""

from __future__ import annotations

from random import Random

import pytest

from lit_grpo.environment.domains import build_base, domains_of
from lit_grpo.environment.domains.base import Domain, ProgramSize, Wording
from lit_grpo.environment.programs.excerpt import excerpt


@pytest.mark.parametrize("domain", domains_of(ProgramSize.MEDIUM))
def test_1_rows_and_their_variables_keep_what_is_said_of_them(domain: Domain) -> None:
    rng = Random(3)
    base = build_base(domain, ProgramSize.MEDIUM, Wording(shuffled=True, num_distractors=2), rng)
    whole, text = base.program, base.specification
    for _ in range(20):
        part, sentences = excerpt(whole, text, 3, rng)
        assert 1 <= len(part.constraints) <= 3
        assert [row for row in whole.constraints if row in part.constraints] == list(part.constraints)
        named = {name for row in part.constraints for name, _ in row.terms}
        assert [variable for variable in whole.variables if variable.name in named] == list(part.variables)
        assert part.objective == ()
        about = [f"row:{row.name}" for row in part.constraints] + [f"var:{v.name}" for v in part.variables]
        assert [s for s in text.sentences if s.about in about] == list(sentences.sentences)
        assert {s.about for s in sentences.sentences} == set(about)


def test_2_no_more_rows_than_there_are() -> None:
    base = build_base(Domain.PRODUCTION, ProgramSize.TINY, Wording(), Random(0))
    sizes = {len(excerpt(base.program, base.specification, 9, Random(seed))[0].constraints) for seed in range(60)}
    assert sizes == {1, 2, 3}
