"""A task: one repair problem with its ground truth, identified by its content.

Made by `generate_task` (fresh, from a seed) or read from a benchmark; consumed by rollout/collect.py.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import NamedTuple

from typing_extensions import override

from lit_grpo.data.weights import weights_of
from lit_grpo.environment.domains import build_base, domains_of
from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize
from lit_grpo.environment.faults.difficulty import PROFILES, Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind, kinds_of, suits
from lit_grpo.environment.faults.injection import FaultyProgram, Rejection, inject
from lit_grpo.environment.programs.program import LinearProgram
from lit_grpo.environment.programs.specification import RepairProblem, Specification
from lit_grpo.environment.solver.solver import Solver

GENERATOR_VERSION = 4
"""The version of the tasks that a seed yields: a change of domains or faults that changes them raises it."""

MAX_ATTEMPTS = 200
"""Base programs tried for one task before its cell is called unfillable."""

MAX_DRAWS = 2000
"""Base programs drawn for one attempt until one falls into the split (1 in 10 does, in the rarer splits)."""


class RefillIndex(NamedTuple):
    """The place in the stream of a task that replaces another one; no task of an ordinary batch stands there."""

    batch: int
    """Position of the batch, 0-based."""
    round: int
    """1 for the task that takes the place of an ordinary one, 2 for the one that takes that one's, and so on."""
    slot: int
    """The place in the batch, over all ranks, 0-based."""


TaskIndex = int | RefillIndex
"""Position in a split's endless stream: a number, or of a task drawn in place of one that taught nothing."""


class Cell(NamedTuple):
    """A kind of fault at a difficulty."""

    kind: FaultKind
    difficulty: Difficulty

    @property
    def file_name(self) -> str:
        """``A_easy.jsonl``: the cell's file in a suite."""
        return f"{self.kind.value}_{self.difficulty.value}.jsonl"


class Split(StrEnum):
    """Which part of the task space a task belongs to, decided by the hash of its original program."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Task:
    """One repair problem with its ground truth."""

    id: str
    """Hash of the content (specification, original and faulty program)."""
    split: Split
    domain: Domain
    """The kind of business that its original program comes from."""
    specification: Specification
    fault: FaultyProgram

    @property
    def problem(self) -> RepairProblem:
        """What the agent sees of it."""
        return RepairProblem(self.fault.faulty, self.specification)


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What tasks are drawn: domains alike, kinds and difficulties by weight."""

    size: ProgramSize | None = None
    """The size of the base programs; None: what the difficulty says (difficulty.py)."""
    kinds: dict[FaultKind, float] | None = None
    """Weight of each kind, by its letter; a kind left out does not occur. None: all that the size can have, alike."""
    difficulties: dict[Difficulty, float] = field(default_factory=lambda: dict.fromkeys(Difficulty, 1.0))
    """Weight of each difficulty; a difficulty left out does not occur."""
    domains: tuple[Domain, ...] | None = None
    """None: all that come in the size."""

    def __post_init__(self) -> None:
        if self.kinds is not None:
            object.__setattr__(self, "kinds", weights_of(FaultKind, self.kinds, "data.tasks.kinds"))
        difficulties = weights_of(Difficulty, self.difficulties, "data.tasks.difficulties")
        object.__setattr__(self, "difficulties", difficulties)
        for name, weights in (("kinds", self.kind_weights), ("difficulties", self.difficulties)):
            if not weights or min(weights.values()) < 0 or sum(weights.values()) <= 0:
                raise ValueError(f"expected {name} with weights >= 0 and a positive sum, got {weights}")
        kinds = kinds_of(self.size)
        if not set(self.kind_weights) <= set(kinds):
            raise ValueError(
                f"expected kinds of {', '.join(kinds)}, got {', '.join(self.kind_weights)}; change kinds or size"
            )
        offered = domains_of(self.size)
        if not self.drawn_domains or not set(self.drawn_domains) <= set(offered):
            got = ", ".join(self.drawn_domains) or "none"
            raise ValueError(
                f"expected at least one domain, of {', '.join(offered)}, got {got}; change domains or size"
            )
        cells = [(k, d) for k, kw in self.kind_weights.items() for d, dw in self.difficulties.items() if kw and dw]
        empty = [f"{kind}/{difficulty}" for kind, difficulty in cells if not self.domains_for(kind, difficulty)]
        if empty:
            raise ValueError(
                f"expected a domain that has room for {', '.join(empty)}, got {', '.join(self.drawn_domains)}; "
                "add domains, or leave the kind or the difficulty out"
            )

    @property
    def kind_weights(self) -> dict[FaultKind, float]:
        """The weight of each kind that occurs."""
        return dict.fromkeys(kinds_of(self.size), 1.0) if self.kinds is None else self.kinds

    @property
    def drawn_kinds(self) -> tuple[FaultKind, ...]:
        """The kinds that occur, those of weight 0 left out."""
        return tuple(kind for kind, weight in self.kind_weights.items() if weight)

    @property
    def drawn_domains(self) -> tuple[Domain, ...]:
        """The domains that occur, alike."""
        return domains_of(self.size) if self.domains is None else self.domains

    @property
    def cells(self) -> dict[Cell, float]:
        """The share of each cell that occurs; they sum to 1."""
        total = sum(self.kind_weights.values()) * sum(self.difficulties.values())
        pairs = [(k, d, kw * dw) for k, kw in self.kind_weights.items() for d, dw in self.difficulties.items()]
        return {Cell(kind, difficulty): weight / total for kind, difficulty, weight in pairs if weight}

    def of_cell(self, cell: Cell) -> TaskSettings:
        """The same, of one cell alone."""
        return replace(self, kinds={cell.kind: 1.0}, difficulties={cell.difficulty: 1.0})

    def domains_for(self, kind: FaultKind, difficulty: Difficulty) -> tuple[Domain, ...]:
        """Those of the domains whose models have room for such faults."""
        return tuple(domain for domain in self.drawn_domains if suits(domain, kind, difficulty))


class UnfilledCellError(RuntimeError):
    """No task of this domain, kind and difficulty could be made within the budget: says what came of the attempts."""

    def __init__(self, domain: Domain, kind: FaultKind, difficulty: Difficulty, rejections: Counter[str]) -> None:
        yields = ", ".join(f"{reason}: {count}" for reason, count in rejections.most_common())
        super().__init__(
            f"cell {domain}/{kind}/{difficulty}: expected a fault within {MAX_ATTEMPTS} base programs, "
            f"got none ({yields}); leave the cell out of TaskSettings or choose another size"
        )
        self._arguments = (domain, kind, difficulty, rejections)

    @override
    def __reduce__(self) -> tuple[type[UnfilledCellError], tuple[Domain, FaultKind, Difficulty, Counter[str]]]:
        """Let it pass from one process to another: by default an exception is rebuilt from its message alone."""
        return UnfilledCellError, self._arguments


def generate_task(settings: TaskSettings, split: Split, seed: int, index: TaskIndex, solver: Solver) -> Task:
    """The task at a position of a split's endless stream: a function of (settings, split, seed, index) alone.

    Its original program's hash falls into the split, so tasks of two splits never share one.
    """
    domain, (kind, difficulty) = _draw(settings, split, seed, index)
    size = settings.size or PROFILES[difficulty].size
    rejections: Counter[str] = Counter()
    for attempt in range(MAX_ATTEMPTS):
        rng = _rng(seed, split, index, attempt)
        base = next(b for b in _draws(domain, size, difficulty, rng) if split_of(b.program) is split)
        fault = inject(base.program, kind, difficulty, rng, solver, base.spare_row_names)
        if isinstance(fault, FaultyProgram):
            return make_task(domain, base.specification, fault)
        rejections[_reason(fault)] += 1
    raise UnfilledCellError(domain, kind, difficulty, rejections)


def cell_at(settings: TaskSettings, split: Split, seed: int, index: TaskIndex) -> Cell:
    """The cell of the task at a position, without making it."""
    return _draw(settings, split, seed, index)[1]


def draw_cell(shares: Mapping[Cell, float], seed: int, index: TaskIndex) -> Cell:
    """The cell of the training task at a position, where shares other than those of the settings are in force."""
    return _rng(seed, "cell", index).choices(list(shares), list(shares.values()))[0]


def make_task(domain: Domain, specification: Specification, fault: FaultyProgram) -> Task:
    """The task of this content, with the id and the split that follow from it."""
    content = repr((specification, fault.original, fault.faulty))
    return Task(_digest(content), split_of(fault.original), domain, specification, fault)


def split_of(program: LinearProgram) -> Split:
    """The split of an original program: 80 : 10 : 10 by its digest."""
    bucket = int(program_digest(program), 16) % 10
    return Split.TEST if bucket == 9 else Split.VALIDATION if bucket == 8 else Split.TRAIN


def program_digest(program: LinearProgram) -> str:
    """A hash of the program that is blind to names and to the order of rows."""
    position = {v.name: i for i, v in enumerate(program.variables)}

    def by_position(terms: tuple[tuple[str, float], ...]) -> list[tuple[int, float]]:
        return [(position[name], value) for name, value in terms]

    rows = sorted((by_position(c.terms), c.sense.value, c.rhs) for c in program.constraints)
    variables = [(v.lower, v.upper, v.type.value) for v in program.variables]
    return _digest(repr((program.direction.value, by_position(program.objective), variables, rows)))


def _draw(settings: TaskSettings, split: Split, seed: int, index: TaskIndex) -> tuple[Domain, Cell]:
    rng = _rng(seed, split, index)
    domain = rng.choice(settings.drawn_domains)
    kind = rng.choices(list(settings.kind_weights), list(settings.kind_weights.values()))[0]
    difficulty = rng.choices(list(settings.difficulties), list(settings.difficulties.values()))[0]
    if not suits(domain, kind, difficulty):
        domain = rng.choice(settings.domains_for(kind, difficulty))
    return domain, Cell(kind, difficulty)


def _draws(domain: Domain, size: ProgramSize, difficulty: Difficulty, rng: Random) -> Iterator[BaseModel]:
    for _ in range(MAX_DRAWS):
        yield build_base(domain, size, PROFILES[difficulty].wording, rng)


def _reason(rejection: Rejection) -> str:
    return rejection.reason.value


def _rng(*key: int | str | RefillIndex) -> Random:
    """A generator of its own for a key; unrelated for unrelated keys, the same in every process."""
    return Random(int(_digest(repr(key)), 16))


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()
