"""A task: one repair problem with its ground truth, identified by its content.

Made by `generate_task` (fresh, from a seed) or read from a benchmark; consumed by rollout/collect.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import NamedTuple

from typing_extensions import override

from lit_grpo.data.programs.pool import ProgramPool, open_pool
from lit_grpo.data.splits import Cell, Split, digest_of, split_of
from lit_grpo.data.weights import weights_of
from lit_grpo.environment.domains import build_base, domains_of
from lit_grpo.environment.domains.base import BaseModel, Domain, ProgramSize, Wording, Wordings
from lit_grpo.environment.faults.difficulty import PROFILES, Difficulty
from lit_grpo.environment.faults.fault_kinds import FaultKind, kinds_of, suits
from lit_grpo.environment.faults.injection import FaultyProgram, Rejection, inject
from lit_grpo.environment.programs.specification import RepairProblem, Specification
from lit_grpo.environment.solver.solver import Solver

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
    """None: all that come in the size, or the user's programs alone where there are any."""
    programs: Path | None = None
    """A folder of the user's own programs, each with its text, which the domain PROGRAMS is made of
    (docs/your_programs.md)."""
    wordings: Wordings = Wordings.USUAL
    """Which wordings are drawn, for the same programs and faults; the user's own programs keep their text."""

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
        own = () if self.programs is None else (Domain.PROGRAMS,)
        offered = (*domains_of(self.size), *own)
        if self.drawn_domains == own != () and self.size is not None:
            raise ValueError(
                f"data.tasks.size: expected null with programs of your own, which have the sizes they have, got "
                f"{self.size}; set it to null, as configs/tasks/own_programs.yaml does"
            )
        if self.programs is not None and Domain.PROGRAMS not in self.drawn_domains:
            raise ValueError(
                "data.tasks.domains: expected PROGRAMS among them with data.tasks.programs, got "
                f"{', '.join(self.drawn_domains)}; add it, or set programs to null"
            )
        if not self.drawn_domains or not set(self.drawn_domains) <= set(offered):
            got = ", ".join(self.drawn_domains) or "none"
            raise ValueError(
                f"expected at least one domain, of {', '.join(offered)}, got {got}; change domains, size or programs"
            )
        cells = [(k, d) for k, kw in self.kind_weights.items() for d, dw in self.difficulties.items() if kw and dw]
        empty = [f"{k}/{d}" for k, d in cells if not any(suits(domain, k, d) for domain in self.drawn_domains)]
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
        """The kinds that occur, those of weight 0 left out, and those that the user's programs have no room for."""
        if self.programs is not None:
            return tuple(dict.fromkeys(cell.kind for cell in self.cells))
        return tuple(kind for kind, weight in self.kind_weights.items() if weight)

    @property
    def drawn_domains(self) -> tuple[Domain, ...]:
        """The domains that occur, alike."""
        if self.domains is not None:
            return self.domains
        return domains_of(self.size) if self.programs is None else (Domain.PROGRAMS,)

    @property
    def pool(self) -> ProgramPool:
        """The user's programs, read when they are first asked for; ProgramFolderError for what cannot be used."""
        assert self.programs is not None, "no domain PROGRAMS without a folder"
        return open_pool(self.programs)

    @property
    def cells(self) -> dict[Cell, float]:
        """The share of each cell that occurs; they sum to 1. Cells that no domain has room for are left out."""
        total = sum(self.kind_weights.values()) * sum(self.difficulties.values())
        pairs = [(k, d, kw * dw) for k, kw in self.kind_weights.items() for d, dw in self.difficulties.items()]
        shares = {Cell(kind, difficulty): weight / total for kind, difficulty, weight in pairs if weight}
        if self.programs is None:
            return shares
        offered = {cell: share for cell, share in shares.items() if self.domains_for(*cell)}
        return {cell: share / sum(offered.values()) for cell, share in offered.items()}

    def wording_of(self, difficulty: Difficulty) -> Wording:
        """How specifications of a difficulty are written."""
        return replace(PROFILES[difficulty].wording, wordings=self.wordings)

    def of_cell(self, cell: Cell) -> TaskSettings:
        """The same, of one cell alone."""
        return replace(self, kinds={cell.kind: 1.0}, difficulties={cell.difficulty: 1.0})

    def domains_for(self, kind: FaultKind, difficulty: Difficulty) -> tuple[Domain, ...]:
        """Those of the domains whose models have room for such faults."""
        return tuple(domain for domain in self.drawn_domains if self.has_room(domain, Cell(kind, difficulty)))

    def has_room(self, domain: Domain, cell: Cell) -> bool:
        """Whether faults of the cell are drawn in the domain; of the user's programs, the solver has to be asked."""
        return self.pool.offers(cell) if domain is Domain.PROGRAMS else suits(domain, *cell)

    def require_programs(self) -> None:
        """Read and survey the user's programs, if tasks are made of any.

        Raises:
            ProgramFolderError: Some cannot be used: a line for each.
            ValueError: A kind was asked for that no program of some split has room for.
        """
        if self.programs is not None:
            asked = [kind for kind, weight in (self.kinds or {}).items() if weight]
            missing = ", ".join(kind.value for kind in asked if kind not in self.drawn_kinds)
            if missing or not self.cells:
                difficulties = ", ".join(difficulty for difficulty, weight in self.difficulties.items() if weight)
                raise ValueError(
                    "data.tasks.kinds: expected kinds that programs of each split have room for, got "
                    f"{missing or 'none'} at {difficulties}; leave them out, or add programs "
                    f"(`lit-grpo programs {self.programs}` lists what each allows)"
                )


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

    Its original program is of the split, so tasks of two splits never share one.
    """
    domain, cell = _draw(settings, split, seed, index)
    rejections: Counter[str] = Counter()
    for attempt in range(MAX_ATTEMPTS):
        rng = _rng(seed, split, index, attempt)
        base = draw_base(settings, domain, split, cell, rng)
        fault = inject(base.program, *cell, rng, solver, base.spare_row_names)
        if isinstance(fault, FaultyProgram):
            return make_task(domain, base.specification, fault, split)
        rejections[_reason(fault)] += 1
    raise UnfilledCellError(domain, *cell, rejections)


def draw_base(settings: TaskSettings, domain: Domain, split: Split, cell: Cell, rng: Random) -> BaseModel:
    """A true program of the domain and the split, with room for a fault of the cell where it is one of the user's."""
    if domain is Domain.PROGRAMS:
        return rng.choice(settings.pool.allowing(split, cell)).base
    size, wording = settings.size or PROFILES[cell.difficulty].size, settings.wording_of(cell.difficulty)
    draws = (build_base(domain, size, wording, rng) for _ in range(MAX_DRAWS))
    return next(base for base in draws if split_of(base.program) is split)


def cell_at(settings: TaskSettings, split: Split, seed: int, index: TaskIndex) -> Cell:
    """The cell of the task at a position, without making it."""
    return _draw(settings, split, seed, index)[1]


def draw_cell(shares: Mapping[Cell, float], seed: int, index: TaskIndex) -> Cell:
    """The cell of the training task at a position, where shares other than those of the settings are in force."""
    return _rng(seed, "cell", index).choices(list(shares), list(shares.values()))[0]


def make_task(domain: Domain, specification: Specification, fault: FaultyProgram, split: Split | None = None) -> Task:
    """The task of this content, with the id that follows from it.

    Args:
        domain: Of its original program.
        specification: Its text.
        fault: What was put into the program.
        split: Of the original program; None: as its content says, which is so in every domain but the user's own.
    """
    content = repr((specification, fault.original, fault.faulty))
    return Task(digest_of(content), split or split_of(fault.original), domain, specification, fault)


def _draw(settings: TaskSettings, split: Split, seed: int, index: TaskIndex) -> tuple[Domain, Cell]:
    rng = _rng(seed, split, index)
    domain = rng.choice(settings.drawn_domains)
    kind = rng.choices(list(settings.kind_weights), list(settings.kind_weights.values()))[0]
    difficulty = rng.choices(list(settings.difficulties), list(settings.difficulties.values()))[0]
    cell = Cell(kind, difficulty)
    if not settings.has_room(domain, cell):
        if not settings.domains_for(*cell):
            # The user's programs alone, which have no room for it.
            settings.require_programs()
            cell = rng.choices(list(settings.cells), list(settings.cells.values()))[0]
        domain = rng.choice(settings.domains_for(*cell))
    return domain, cell


def _reason(rejection: Rejection) -> str:
    return rejection.reason.value


def _rng(*key: int | str | RefillIndex) -> Random:
    """A generator of its own for a key; unrelated for unrelated keys, the same in every process."""
    return Random(int(digest_of(repr(key)), 16))
