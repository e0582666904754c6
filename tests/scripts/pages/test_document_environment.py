"""The generated parts of docs/environment.md.

1. The instances that stand in the page are those that the command makes now: whoever changes the generator or the
   rendering runs `python scripts/pages/document_environment.py --parts instances` again.
2. Of each kind there is one, and its repair ends optimal, as it is played.
3. The tables hold a row for each cell, with figures that are known: the oracle repairs everything, in one step where
   one edit is enough; the compact rendering costs less than the full one.
4. Another text goes between the markers and nowhere else; a page without them is refused.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from document_environment import PAGE, TINY_BASE, with_part
from environment_page.instances import INSTANCES, instances_text
from environment_page.token_cost import token_cost_text
from environment_page.trivial_policies import trivial_policies_text

from lit_grpo.data.benchmark import write_benchmark
from lit_grpo.data.dataset import load_conversation
from lit_grpo.data.splits import Cell, Split
from lit_grpo.data.suite import SuiteSettings
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.faults.injection import FaultKind
from lit_grpo.environment.solver.highs import HighsSolver

SETTINGS = SuiteSettings((FaultKind.COEFFICIENT, FaultKind.MULTIPLE), (Difficulty.EASY,), num_tasks=3)


@pytest.fixture(scope="module")
def made() -> str:
    return instances_text(HighsSolver())


def tasks_of(cell: Cell) -> list[Task]:
    settings = TaskSettings(kinds={cell.kind: 1.0}, difficulties={cell.difficulty: 1.0})
    return [generate_task(settings, Split.TEST, 0, index, HighsSolver()) for index in range(SETTINGS.num_tasks)]


def test_1_the_page_holds_what_the_command_makes(made: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_part(page, "instances", made) == page


def test_2_one_of_each_kind_and_each_is_repaired(made: str) -> None:
    assert [instance.kind for instance in INSTANCES] == list(FaultKind)
    parts = made.split("### ")[1:]
    assert [part[0] for part in parts] == [kind.value for kind in FaultKind]
    for part in parts:
        assert part.startswith(part[0] + ": ")
        assert "The solver reports: infeasible." in part
        assert "Specification, what the model is meant to say:" in part
        assert "`violation`" in part
        last_line = part.rstrip().removesuffix("```").rstrip().splitlines()[-1]
        assert last_line.startswith("The solver reports: optimal, objective ")


def test_3_the_tables(tmp_path: Path) -> None:
    tasks = {cell: tasks_of(cell) for cell in SETTINGS.cells}
    for cell, some in tasks.items():
        write_benchmark(tmp_path / cell.file_name, some)
    with ThreadPoolExecutor(1) as executor:
        lines = trivial_policies_text(tmp_path, SETTINGS, executor).splitlines()
    assert lines[0] == "3 tasks a cell, seed 0:"
    coefficient, multiple = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[4:])
    assert coefficient[:2] == ["C", "easy"]
    assert coefficient[-1] == "100 / 100 / 100"
    assert multiple[-1] == "0 / 100 / 100"  # two edits
    assert coefficient[2].split(" / ")[1] == "0"  # deleting a row is no repair of a coefficient
    some = {"easy": [task for cell in tasks.values() for task in cell]}
    table = token_cost_text(some, load_conversation(TINY_BASE), HighsSolver()).splitlines()
    full, compact = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table[2:])
    assert (full[:3], compact[:3]) == (["easy", "6", "full"], ["easy", "6", "compact"])
    assert all(int(less) < int(more) for less, more in zip(compact[3:6], full[3:6], strict=True))
    assert compact[6] == full[6]  # an answer is written the same way


def test_4_a_part_is_replaced_between_its_markers() -> None:
    begin, end = "<!-- some part: written by scripts/pages/document_environment.py -->", "<!-- some part: end -->"
    page = f"before\n{begin}\n\nold\n{end}\nafter\n"
    assert with_part(page, "some part", "new \\1") == f"before\n{begin}\n\nnew \\1\n{end}\nafter\n"
    with pytest.raises(ValueError, match="expected a part between <!-- another"):
        with_part(page, "another", "new")
