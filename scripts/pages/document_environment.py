"""Write the generated parts of docs/environment.md: ``python scripts/pages/document_environment.py``.

One worked instance of each kind, what the trivial policies reach, and what observations cost in tokens, each between
its markers; the rest of the page is left as it is. All of it is a function of the generator's version, the solver's,
and ``--num``. ``--parts instances`` takes seconds. A tokenizer that does not come with the project is measured where
``--qwen3`` names its directory; without it that part stays as it is.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cached_property, partial
from pathlib import Path

from environment_page.instances import instances_text
from environment_page.token_cost import tasks_by_size, token_cost_text
from environment_page.trivial_policies import trivial_policies_text

from lit_grpo.data.dataset import load_conversation
from lit_grpo.data.suite import SuiteSettings
from lit_grpo.data.suite_maker import make_suite
from lit_grpo.data.task import Task
from lit_grpo.environment.solver.highs import HighsSolver

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "environment.md"
TINY_BASE = ROOT / "checkpoints" / "tiny-base"


class Suite:
    """The tasks that the figures are of, made when they are first asked for."""

    def __init__(self, folder: Path, settings: SuiteSettings, executor: Executor, num_workers: int) -> None:
        self._folder, self._settings, self._executor, self._num_workers = folder, settings, executor, num_workers

    @cached_property
    def folder(self) -> Path:
        """With a file for each cell."""
        make_suite(self._folder, self._settings, self._num_workers, lambda _cell, _num: None)
        return self._folder

    @cached_property
    def tasks(self) -> dict[str, list[Task]]:
        """Those whose tokens are counted."""
        return tasks_by_size(self.folder, self._settings.cells, HighsSolver())

    def trivial_policies(self) -> str:
        """The table."""
        return trivial_policies_text(self.folder, self._settings, self._executor)

    def token_cost(self, tokenizer: Path) -> str:
        """The table of one tokenizer."""
        return token_cost_text(self.tasks, load_conversation(tokenizer), HighsSolver())


def with_part(page: str, name: str, text: str) -> str:
    """The page with another text between the markers of a part; ValueError if it has none."""
    begin, end = f"<!-- {name}: written by scripts/pages/document_environment.py -->\n", f"<!-- {name}: end -->"
    found = re.compile(f"({re.escape(begin)}).*?({re.escape(end)})", re.DOTALL)
    if not found.search(page):
        raise ValueError(f"expected a part between {begin.strip()} and {end}, got none; put the markers back")
    return found.sub(lambda match: f"{match[1]}\n{text}\n{match[2]}", page)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    line.add_argument("--parts", nargs="+", choices=["instances", "trivial-policies", "tokens"], help="default: all")
    line.add_argument("--num", type=int, default=100, help="tasks of each cell (default: %(default)s)")
    line.add_argument("--qwen3", type=Path, help="directory of Qwen3's tokenizer")
    line.add_argument("--page", type=Path, default=PAGE, help="default: docs/environment.md")
    line.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    return line


def main() -> None:
    """Make the parts that are asked for, and write the page."""
    arguments = parser().parse_args()
    spawn = multiprocessing.get_context("spawn")
    page = arguments.page.read_text(encoding="utf-8")
    with ProcessPoolExecutor(arguments.workers, spawn) as executor, tempfile.TemporaryDirectory() as folder:
        suite = Suite(Path(folder), SuiteSettings(num_tasks=arguments.num), executor, arguments.workers)
        makers: dict[str, dict[str, Callable[[], str]]] = {
            "instances": {"instances": partial(instances_text, HighsSolver())},
            "trivial-policies": {"trivial policies": suite.trivial_policies},
            "tokens": {"tokens of the tiny base": partial(suite.token_cost, TINY_BASE)},
        }
        if arguments.qwen3 is not None:
            makers["tokens"]["tokens of Qwen3"] = partial(suite.token_cost, arguments.qwen3)
        for part in arguments.parts or makers:
            for name, make in makers[part].items():
                page = with_part(page, name, make())
    arguments.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
