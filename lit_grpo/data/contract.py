"""The contract: which versions of texts, actions, tasks and verdicts a policy, a suite or a result was made under.

Written beside the weights of an exported policy (`CONTRACT_FILE`), into a suite's manifest and into `results.json`; a
mismatch is refused in one line when a policy is loaded, a suite read, or results compared.

A policy has learned texts and actions, so that of its contract `rendering` and `grammar` must agree; which generator
and verdict it was trained under says where it comes from, and at which level of a specification it has learned to read
is warned about, not refused. Tasks and results have to agree in everything. Weights
without the file are a base model from elsewhere, of which nothing is known: they are accepted everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lit_grpo.data.splits import GENERATOR_VERSION
from lit_grpo.environment.episodes.actions import GRAMMAR_VERSION
from lit_grpo.environment.episodes.faithful import VERDICT_VERSION
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.observation import RENDERING_VERSION

CONTRACT_FILE = "lit_grpo.json"
"""The file's name in an exported policy's folder."""
DEMONSTRATION_SEED = "demonstration_seed"
"""Beside the versions in that file: the seed of the demonstrations that the policy was trained on, if it was on any."""
LEVEL = "specification"
"""Beside the versions, too: the level at which it has read specifications (levels.py), if that is known."""
LEARNED = ("rendering", "grammar")
"""What a policy depends on."""


class ContractError(ValueError):
    """Made under another contract: says what was expected, what was got, and what to do."""


@dataclass(frozen=True, slots=True)
class Contract:
    """Versions, each a whole number from 1 on."""

    rendering: int
    """The version of the texts that an agent reads (observation.py)."""
    grammar: int
    """The version of the actions that it writes (actions.py)."""
    generator: int
    """The version of the tasks that a seed yields (data/task.py)."""
    verdict: int
    """The version of what counts as a faithful repair (faithful.py)."""

    @classmethod
    def read(cls, value: object, where: str) -> Contract:
        """The contract of a JSON object.

        Raises:
            ContractError: It is none.
        """
        names = [field.name for field in fields(cls)]
        whole = isinstance(value, dict) and all(type(value.get(name)) is int and value[name] >= 1 for name in names)
        if not isinstance(value, dict) or not whole or set(value) != set(names):
            raise ContractError(
                f"{where}: expected versions {', '.join(names)} as whole numbers, got {value!r:.120}; make it "
                "again with this release"
            )
        return cls(**value)

    def to_json(self) -> dict[str, int]:
        """The versions as they are written."""
        return asdict(self)

    def differs(self, other: Contract, names: tuple[str, ...] | None = None) -> str | None:
        """``expected rendering 2, got rendering 1``: of these names (None: all) those that ``other`` has otherwise.

        None if there is no difference.
        """
        mine, theirs = self.to_json(), other.to_json()
        wrong = [name for name in (mine if names is None else names) if mine[name] != theirs[name]]
        if not wrong:
            return None
        expected, got = (", ".join(f"{name} {versions[name]}" for name in wrong) for versions in (mine, theirs))
        return f"expected {expected}, got {got}"


CURRENT = Contract(RENDERING_VERSION, GRAMMAR_VERSION, GENERATOR_VERSION, VERDICT_VERSION)
"""What this release reads, writes, makes and judges."""


def write_contract(
    folder: Path, demonstration_seed: int | None = None, level: SpecificationLevel | None = None
) -> None:
    """Write `CONTRACT_FILE` beside a policy's weights.

    Args:
        folder: The policy's folder.
        demonstration_seed: The seed of the demonstrations that it was trained on; None: it was on none.
        level: The level at which it has learned to read specifications; None: not known.
    """
    document: dict[str, int | str] = dict(CURRENT.to_json())
    if demonstration_seed is not None:
        document[DEMONSTRATION_SEED] = demonstration_seed
    if level is not None:
        document[LEVEL] = level.value
    (folder / CONTRACT_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def demonstration_seed(checkpoint: Path) -> int | None:
    """The seed of the demonstrations that a policy was trained on; None if its folder does not say.

    Raises:
        ContractError: What it says is no seed.
    """
    seed = _document(checkpoint).get(DEMONSTRATION_SEED)
    if seed is not None and type(seed) is not int:
        raise ContractError(
            f"{checkpoint / CONTRACT_FILE}: expected {DEMONSTRATION_SEED} as a whole number, got {seed!r:.40}; export "
            "the policy again"
        )
    return seed


def learned_level(checkpoint: Path) -> SpecificationLevel | None:
    """The level at which a policy has learned to read specifications; None if its folder does not say.

    Raises:
        ContractError: What it says is no level.
    """
    level = _document(checkpoint).get(LEVEL)
    if level is None:
        return None
    if level not in set(SpecificationLevel):
        raise ContractError(
            f"{checkpoint / CONTRACT_FILE}: expected {LEVEL} of {', '.join(SpecificationLevel)}, got {level!r:.40}; "
            "export the policy again"
        )
    return SpecificationLevel(level)


def other_level(checkpoint: Path, level: SpecificationLevel) -> str | None:
    """What to say of a policy that is to read specifications at another level than it has learned; None: nothing.

    Raises:
        ContractError: What its folder says is no level.
    """
    learned = learned_level(checkpoint)
    if learned is None or learned is level:
        return None
    return (
        f"{checkpoint}: expected a policy that has learned to read specifications at the level {level.name}, got one "
        f"of {learned.name}, which will misread them; set episode.specification to {learned.name}, or train it anew"
    )


def require_readable_policy(checkpoint: str | Path) -> None:
    """Refuse a policy that has learned other texts or actions; weights without `CONTRACT_FILE` are a base model.

    Raises:
        ContractError: Another rendering or grammar, or a file that holds no contract.
    """
    document = _document(Path(checkpoint))
    if not document:
        return
    versions = {name: value for name, value in document.items() if name not in (DEMONSTRATION_SEED, LEVEL)}
    wrong = CURRENT.differs(Contract.read(versions, str(Path(checkpoint) / CONTRACT_FILE)), LEARNED)
    if wrong is not None:
        raise ContractError(f"{checkpoint}: {wrong}; train the policy again, or use the release that made it")


def _document(checkpoint: Path) -> dict[str, object]:
    """What stands in the contract of a policy's folder; empty without one.

    Raises:
        ContractError: The file holds no JSON object.
    """
    path = checkpoint / CONTRACT_FILE
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ContractError(
            f"{path}: expected a JSON object with versions, got {error.msg}; export it again"
        ) from error
    if not isinstance(document, dict) or not document:
        raise ContractError(f"{path}: expected a JSON object with versions, got {document!r:.120}; export it again")
    return document


def require_current(versions: Mapping[str, object] | object, where: str, remedy: str) -> None:
    """Refuse what was made under another contract than this release's.

    Raises:
        ContractError: ``WHERE: expected .., got ..; REMEDY``.
    """
    wrong = CURRENT.differs(Contract.read(versions, where))
    if wrong is not None:
        raise ContractError(f"{where}: {wrong}; {remedy}")
