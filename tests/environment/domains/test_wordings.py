"""Wordings that are trained on, and others that are held out.

1. A seed has the same programs and faults in all of them; what is said of each element is tied to it in all of them.
2. Nothing that is said of a row or a variable in training is worded as a held-out sentence is: numbers and names taken
   out, no template of one is one of the other. The usual wordings share none with the held-out ones in TINY programs.
3. In TINY programs the held-out sentences have no word that training has not.
4. Beyond the usual wordings there is a sentence about nothing, with a number.
"""

import re
from random import Random

import pytest

from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.domains import build_base, domains_of
from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording, Wordings
from lit_grpo.environment.solver.highs import HighsSolver

SIZES = (ProgramSize.TINY, ProgramSize.SMALL)
CELLS = [(domain, size) for size in SIZES for domain in domains_of(size)]


def models(domain: Domain, size: ProgramSize, wordings: Wordings, number: int = 60) -> list[BaseModel]:
    return [build_base(domain, size, Wording(wordings=wordings), Random(seed)) for seed in range(number)]


def templates(drawn: list[BaseModel]) -> set[str]:
    """What is said of rows and variables, without what depends on the program."""
    found: set[str] = set()
    for model in drawn:
        for sentence in model.specification.sentences:
            if sentence.about is not None:
                words = re.sub(r"\d+ per \w+(, | , )?|less |\w+ : |\(\w+\)", "", sentence.text)
                found.add(re.sub(r"\d+|no more than|at most|no less than|at least|exactly", "#", words))
    return found


def tasks(wordings: Wordings, size: ProgramSize, number: int = 4) -> list[Task]:
    solver = HighsSolver()
    settings = TaskSettings(size=size, wordings=wordings)
    return [generate_task(settings, Split.TRAIN, 3, index, solver) for index in range(number)]


@pytest.mark.parametrize("size", SIZES)
def test_1_the_same_programs_and_faults(size: ProgramSize) -> None:
    usual, *others = (tasks(wordings, size) for wordings in Wordings)
    for drawn in others:
        assert [task.fault for task in drawn] == [task.fault for task in usual]
        for task, model in zip(drawn, usual, strict=True):
            assert task.specification != model.specification
            about, as_usual = ([s.about for s in t.specification.sentences if s.about] for t in (task, model))
            assert sorted(about) == sorted(as_usual)


@pytest.mark.parametrize(("domain", "size"), CELLS)
def test_2_held_out(domain: Domain, size: ProgramSize) -> None:
    usual, trained, held_out = (templates(models(domain, size, wordings)) for wordings in Wordings)
    assert not trained & held_out
    assert trained
    assert held_out
    if size is ProgramSize.TINY:
        assert not usual & held_out
        assert len(trained) > len(usual)


def test_3_in_known_words() -> None:
    words: dict[Wordings, set[str]] = {}
    for wordings in Wordings:
        drawn = [model for d in domains_of(ProgramSize.TINY) for model in models(d, ProgramSize.TINY, wordings)]
        words[wordings] = {word for model in drawn for word in re.findall(r"[a-z]+", model.specification.text)}
    assert words[Wordings.HELD_OUT] <= words[Wordings.TRAINING]


@pytest.mark.parametrize("wordings", [Wordings.TRAINING, Wordings.HELD_OUT])
@pytest.mark.parametrize(("domain", "size"), CELLS)
def test_4_something_about_nothing(domain: Domain, size: ProgramSize, wordings: Wordings) -> None:
    for model in models(domain, size, wordings, 5):
        aside = [s.text for s in model.specification.sentences if s.about is None and " per " not in s.text]
        assert any(re.search(r"\d", text) for text in aside)
