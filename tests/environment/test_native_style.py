"""The check of native style: 1 it finds what tells; 2 it finds nothing in what tells nothing; 3 the interval by hand;
4 the faulty element is among the eligible ones, and these are of its sort; 5 a text is never looked at.
"""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
import torch

from lit_grpo.data.task import Split, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults import FaultKind
from lit_grpo.environment.highs import HighsSolver
from lit_grpo.environment.specification import Specification

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return import_module("check_native_style")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return import_module("native_style_features")


def _choices(seen: ModuleType, number: int, telling: bool) -> list:
    """Four elements each; the mark is at the faulty one, or at any."""
    rng, choices = Random(3), []
    for i in range(number):
        faulty = rng.randrange(4)
        marked = faulty if telling else rng.randrange(4)
        choices.append(seen.Choice([{"names": [float(slot == marked)]} for slot in range(4)], faulty, i % 2))
    return choices


def test_1_a_name_that_tells_is_found(check: ModuleType, seen: ModuleType) -> None:
    torch.manual_seed(0)
    found = check.finding("names", ("names",), _choices(seen, 400, telling=True), num_epochs=15)
    assert found.accuracy == 1.0
    assert found.chance == 0.25
    assert found.verdict == "tells"


def test_2_a_name_that_tells_nothing_is_not(check: ModuleType, seen: ModuleType) -> None:
    torch.manual_seed(0)
    found = check.finding("names", ("names",), _choices(seen, 4000, telling=False), num_epochs=3)
    assert found.is_native
    assert found.verdict == "native"


def test_3_an_upper_end_by_hand(check: ModuleType) -> None:
    """27 % picked, chance 25 %, half width 0.5 or 1.5 points: upper ends +2.5 and +3.5 about the limit of +3."""
    narrow = check.Finding("names", 3000, 0.27, 0.25, 0.005)
    assert narrow.upper == pytest.approx(0.025)
    assert narrow.is_native
    assert replace(narrow, half_width=0.015).verdict == "tells"
    assert replace(narrow, half_width=0.025).verdict == "open: more instances"


@pytest.mark.parametrize("kind", list("ABCD"))
def test_4_and_5_eligible_ones_of_a_sort_without_the_text(seen: ModuleType, kind: str) -> None:
    solver, settings = HighsSolver(), TaskSettings(size=ProgramSize.SMALL, kinds={FaultKind(kind): 1.0})
    num_choices = 0
    for index in range(6):
        task = generate_task(settings, Split.TRAIN, 5, index, solver)
        choices = seen.choices_of(task, solver)
        num_choices += len(choices)
        for choice in choices:
            assert 0 <= choice.faulty < len(choice.features)
            assert {len(slot["names"]) for slot in choice.features} == {seen.NUM_NAME_BUCKETS + 4}
            assert list(choice.features[0]) == [*seen.FAMILIES, *seen.APART]
        assert seen.choices_of(replace(task, specification=Specification(())), solver) == choices
    assert num_choices > 0
