"""Sentences that a program does not say.

1. Each reason, by hand; what agrees is not listed, nor is what cannot be matched.
2. A row that was left out breaks the sentence about it.
3. Of generated programs none breaks a sentence as it was meant, and the sentence about the fault is broken.
"""

from __future__ import annotations

import pytest

from lit_grpo.data.splits import Split
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.programs.edits import DropRow, apply
from lit_grpo.environment.programs.program import Element
from lit_grpo.environment.programs.reading.program_file import read_program_text
from lit_grpo.environment.programs.specification import Sentence, Specification
from lit_grpo.environment.repairs.broken_sentences import broken_sentences
from lit_grpo.environment.solver.highs import HighsSolver

PROGRAM = read_program_text(
    "Minimize\n cost: 7 bread + 9 cake\nSubject To\n oven: 2 bread + 3 cake <= 90\n less: - bread >= - 40\n"
    "Bounds\n cake <= 8\nGeneral\n bread\nEnd\n",
    ".lp",
    "plan.lp",
).program


@pytest.mark.parametrize(
    ("label", "text", "reasons"),
    [
        ("row:oven", "At most 90 hours: 2 for a bread, 3 for a cake.", ()),
        ("row:oven", "It has ninety hours.", ("2 is not in it", "3 is not in it", "90 is not in it")),
        ("row:oven", "90 hours, 2 for a bread, 4 for a cake.", ("3 is not in it", "its 4 is not in the program")),
        ("row:oven", "At least 90, of 2 and 3.", ("it says >=, and the row <=",)),
        ("row:oven", "At most 90, of 2 bread less 3 cake.", ("a number has not the sign that it says",)),
        # A row that is written the other way round says the same.
        ("row:less", "No more than 40 bread.", ()),
        ("row:less", "At most 40 of bread and cake.", ("it names cake, which the row does not have",)),
        ("var:cake", "Up to 8, in fractions.", ()),
        ("var:cake", "Up to 9.", ("8 is not in it", "its 9 is not in the program")),
        ("var:bread", "A whole number.", ()),
        ("var:bread", "Fractions are allowed.", ("it says continuous, and the variable is integer",)),
        # Prose is held against the program as a whole, in requirements alone.
        (None, "The oven takes at most 90.", ()),
        (None, "The oven takes at most 95.", ("95 stands nowhere in the program",)),
        (None, "We have baked since 1995.", ()),
    ],
)
def test_1_each_reason(label: str | None, text: str, reasons: tuple[str, ...]) -> None:
    about = None if label is None else Element(label)
    found = broken_sentences(PROGRAM, PROGRAM, Specification((Sentence(text, about),)))
    assert [sentence.reasons for sentence in found] == ([reasons] if reasons else [])
    assert all((sentence.text, sentence.about) == (text, about) for sentence in found)


def test_2_a_row_that_is_gone() -> None:
    text = Specification((Sentence("At most 90, of 2 and 3.", Element("row:oven")),))
    (broken,) = broken_sentences(apply(PROGRAM, DropRow("oven")), PROGRAM, text)
    assert broken.reasons == ("there is no such row any more",)


@pytest.mark.parametrize("size", [ProgramSize.TINY, None])
def test_3_generated_programs(size: ProgramSize | None) -> None:
    solver, settings = HighsSolver(), TaskSettings(size=size, kinds={FaultKind.RIGHT_HAND_SIDE: 1.0})
    for index in range(6):
        task = generate_task(settings, Split.TRAIN, 0, index, solver)
        text = task.problem.specification
        assert text is not None
        assert broken_sentences(task.fault.original, task.fault.faulty, text) == ()
        broken = broken_sentences(task.fault.faulty, task.fault.faulty, text)
        spoken_of = {sentence.about for sentence in text.sentences}
        assert [sentence.about for sentence in broken] == [e for e in task.fault.faulty_elements if e in spoken_of]
