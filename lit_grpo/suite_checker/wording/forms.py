"""What a domain's sentences can be: templates as regular expressions, with what is known of the rows they are about.

Filled in by the files beside this one and read by specification.py. A sentence that no template of its domain produces
is refused, whatever it says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

WHOLE = "(?:0|[1-9][0-9]*)"
SIGNED = "(?:0|-?[1-9][0-9]*)"
NAME = "[a-z][a-z0-9_]*"
TERM = re.compile(f"(less )?({WHOLE}) per ({NAME})")
TERMS = f"(?P<terms>(?:less )?{WHOLE} per {NAME}(?:, (?:less )?{WHOLE} per {NAME})*)"
SENSES = {"at most": "<=", "no more than": "<=", "at least": ">=", "no less than": ">=", "exactly": "="}
LIMIT = f"(?P<sense>{'|'.join(SENSES)}) (?P<rhs>{SIGNED})"
GOALS = {"as large as possible": True, "as small as possible": False}
"""Whether to maximise."""
BEST = f"(?P<best>{'|'.join(GOALS)})"
RANGES = (
    ("binary", re.compile(re.escape("yes or no (1 or 0)"))),
    ("continuous", re.compile(f"({WHOLE}) or more")),
    ("continuous", re.compile(f"anything from ({WHOLE})")),
    ("integer", re.compile(f"any whole number from ({WHOLE}) to ({WHOLE})")),
    ("integer", re.compile(f"a whole number between ({WHOLE}) and ({WHOLE})")),
    ("continuous", re.compile(f"between ({WHOLE}) and ({WHOLE})")),
    ("continuous", re.compile(f"({WHOLE}) to ({WHOLE})")),
)
"""How a variable's type and bounds are said."""
RANGE = f"(?P<range>{'|'.join(pattern.pattern for _, pattern in RANGES)})"

Counted = Callable[[str, Collection[str]], Collection[str]]
"""From a sentence's subject and the names of all variables to those that its row must have, and no others."""


def pattern_of(template: str, subjects: str = "") -> re.Pattern[str]:
    """The expression that matches what a template can become; ``subjects``: an expression for ``{subject}``."""
    text = re.escape(template)
    parts = {
        "terms": TERMS,
        "limit": LIMIT,
        "best": BEST,
        "range": RANGE,
        "name": f"(?P<name>{NAME})",
        "number": f"(?P<number>{WHOLE})",
        "subject": f"(?P<subject>{subjects})",
    }
    for part, expression in parts.items():
        text = text.replace(re.escape(f"{{{part}}}"), expression)
    return re.compile(text)


@dataclass(frozen=True)
class RowWords:
    """One sort of row."""

    sort: str
    """Its name here."""
    senses: tuple[str, ...]
    templates: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    """What ``{subject}`` may be; empty where it is the row's own name, or a list of other rows' subjects."""
    adds_up: tuple[str, ...] = ()
    """The row is the sum of rows of these sorts, whose subjects are listed."""
    counted: Counted | None = None

    @property
    def is_named_after_row(self) -> bool:
        """Whether the subject is the row's own name."""
        return not self.subjects and not self.adds_up and any("{subject}" in text for text in self.templates)

    @cached_property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """The patterns of the sentences, the row's name included."""
        subjects = "|".join(map(re.escape, self.subjects)) if self.subjects else ".+" if self.adds_up else NAME
        return tuple(
            re.compile(f"{pattern_of(text, subjects).pattern} \\((?P<row>{NAME})\\)\\.") for text in self.templates
        )


@dataclass(frozen=True)
class VariableWords:
    """One sort of variable."""

    names: re.Pattern[str]
    types: tuple[str, ...]


@dataclass(frozen=True)
class DomainWords:
    """Everything that a domain can say."""

    introduction: str
    maximize: bool
    variables: tuple[VariableWords, ...]
    row_names: frozenset[str]
    variable_templates: tuple[str, ...]
    objective_templates: tuple[str, ...]
    distractors: tuple[str, ...]
    rows: tuple[RowWords, ...]
    sizes: dict[str, tuple[int, int]]
    """Least and most variables of small, medium and large programs."""

    @cached_property
    def variable_patterns(self) -> tuple[re.Pattern[str], ...]:
        """The patterns of sentences about a variable."""
        return tuple(map(pattern_of, self.variable_templates))

    @cached_property
    def objective_patterns(self) -> tuple[re.Pattern[str], ...]:
        """The patterns of the sentence about the objective."""
        return tuple(map(pattern_of, self.objective_templates))

    @cached_property
    def distractor_patterns(self) -> tuple[re.Pattern[str], ...]:
        """The patterns of sentences that determine nothing."""
        return tuple(map(pattern_of, self.distractors))


def one_of(names: Collection[str]) -> re.Pattern[str]:
    """Any of these names."""
    return re.compile("|".join(map(re.escape, sorted(names))))


def numbered(word: str, first: int, last: int) -> tuple[str, ...]:
    """``card_11``, ``card_12`` and so on."""
    return tuple(f"{word}_{number}" for number in range(first, last + 1))


DRAWN = {"small": (4, 6), "medium": (8, 12), "large": (15, 22)}
"""The sizes of a domain that draws its number of variables."""
