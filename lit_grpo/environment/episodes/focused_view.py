"""The part of a program around its conflict, in a number of tokens: for programs that do not fit a context.

Made by view.py. What is shown is what is nearest to the conflict (nearness.py), as `observation.py` writes it, with the
sentences of what is shown; then how much is left out. A program that fits is shown whole, in the same bytes as ever.
What lies outside is reached by `inspect`, which also says in which rows a variable is. Every list that does not fit is
cut, and says how much is missing. Compact, of 1,002 rows::

    * ra 3 x + 2 y <= 194 | Sawing has 194 hours ; a desk takes 3 , a shelf 2 .
    > x 80 .. null integer | At least 8 desks .
    rb 1 x + 1 y <= 90 | ...
    not shown : 1000 rows , 880 variables
    max 7 x + 4 y ... and 880 more | A desk earns 7 , a shelf 4 .
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lit_grpo.environment.episodes.actions import number_text
from lit_grpo.environment.episodes.elements import (
    MEANING,
    beside,
    linear_pieces,
    marks_of,
    name_of,
    objective_pieces,
    row_text,
    variable_text,
)
from lit_grpo.environment.episodes.focused_text import FocusedText, untied_texts
from lit_grpo.environment.episodes.inspection import Inspection
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.nearness import nearest_first
from lit_grpo.environment.episodes.observation import (
    CONFLICT_HEADING,
    INFEASIBLE,
    NAMES_HEADING,
    SPECIFICATION_HEADING,
    ObservationStyle,
    conflict_text,
    edit_observation,
    initial_observation,
    member_names,
    range_text,
    sentences_beside,
)
from lit_grpo.environment.episodes.room import Room, left_out
from lit_grpo.environment.programs.program import Element, LinearProgram, row_element
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.solver import Conflict, SolverStatus

ANSWER_SHARE = 4
"""What is shown after a turn has this part of the first observation's tokens: a quarter. So an episode of five turns,
with its four answers, shows at most twice as many tokens as its first observation may have."""


@dataclass(frozen=True, slots=True)
class _Line:
    """An element as it is shown."""

    algebra: str
    sentence: str | None
    is_whole: bool
    """Whether nothing of it is cut."""


class FocusedView:
    """Implements `View`.

    Attributes:
        first: The first observation.
        shown: The elements that it shows without a cut, in any of their parts.
    """

    def __init__(
        self,
        problem: RepairProblem,
        conflict: Conflict | None,
        style: ObservationStyle,
        level: SpecificationLevel,
        room: Room,
    ) -> None:
        """Choose what is shown; ValueError if the room is too small to say even what is left out."""
        self._program, self._conflict, self._is_compact = problem.program, conflict, style is ObservationStyle.COMPACT
        self._style, self._answers, self._marks = style, room.part(ANSWER_SHARE), marks_of(conflict)
        self._order = nearest_first(problem.program, conflict)
        tied = sentences_beside(problem.specification, self._order, level)
        self._sentences = {element: text for element, text in tied.items() if element is not None}
        self._objective = room.part(8).listed(objective_pieces(problem.program), " ")
        self._lines: dict[Element, _Line] = {}
        texts, plain = untied_texts(problem.specification, self._order, level)
        separator = "\n  " if level is SpecificationLevel.LABELLED and not self._is_compact else " "
        self._text = FocusedText.of(texts, plain, self._order, separator, room.part(4))
        self._space = room.beside(self._written(0, 0))
        whole = initial_observation(problem, conflict, style, level=level)
        if room.holds(whole):
            self.first, self.shown, self._num_texts = whole, frozenset(self._order), len(self._text.sentences)
            return
        number, self._num_texts = self._chosen(room)
        self.first = self._written(number, self._num_texts)
        self.shown = frozenset(element for element in self._order[:number] if self._first_line(element).is_whole)
        if not room.holds(self.first):
            raise ValueError(
                f"episode.view_tokens: expected room to say how much is left out, which takes "
                f"{room.count(self.first)} tokens of this policy, got {room.tokens}; raise it"
            )

    def _chosen(self, room: Room) -> tuple[int, int]:
        """How many elements are shown, and how many sentences of a text that is tied to none.

        Such a text has half of the room, and all that the elements leave.
        """
        num_all, order = len(self._text.sentences), self._order
        num_texts = self._space.part(2).most(num_all, self._text.first)
        self._space = self._space.beside(self._text.first(num_texts))
        number = room.most(len(order), lambda number: self._written(number, num_texts))
        if number == len(order):
            num_texts = room.most(num_all, lambda num_texts: self._written(number, num_texts))
        return number, num_texts if room.holds(self._written(number, num_texts)) else 0

    # --- what an episode asks for -----------------------------------------------------------------------------------

    def conflict(self, program: LinearProgram, conflict: Conflict | None) -> str:
        """The conflict's algebra, with the sentences of what the first observation does not show."""
        if conflict is None:
            return conflict_text(program, None, self._style)
        parts = marks_of(conflict) if self._is_compact else _meanings(conflict)
        lines = [self._member(element, program, part) for element, part in parts.items()]
        heading, separator = ("", "\n") if self._is_compact else (f"{CONFLICT_HEADING}\n  ", "\n  ")
        return heading + self._answers.listed(lines, separator, f"{self._verdict}\n{heading}")

    def names(self, conflict: Conflict | None) -> str:
        """The names, or the first ones."""
        names = member_names(conflict, self._style)
        if self._is_compact or not names:
            return self._answers.listed(names, " , ", self._verdict)
        return f"{NAMES_HEADING}{self._answers.listed(names, ', ', f'{self._verdict} {NAMES_HEADING}.')}."

    def inspection(self, answers: Sequence[Inspection], program: LinearProgram) -> str:
        """Ranges, as ever; of what the first observation does not show also the algebra, the text and the rows."""
        room = self._answers.part(len(answers))
        return "\n".join(self._inspected(answer, program, room) for answer in answers)

    def bounded(self, answer: str) -> str:
        """The answer, or its first words and how many more there are."""
        return self._answers.cut(answer)

    # --- the parts of an answer -------------------------------------------------------------------------------------

    @property
    def _verdict(self) -> str:
        """The most that stands before a conflict."""
        return edit_observation(SolverStatus.INFEASIBLE, None, not self._is_compact, "", self._style)

    def _member(self, element: Element, program: LinearProgram, part: str) -> str:
        line = self._line(element, program, self._answers.part(2))
        said = None if element in self.shown else line.sentence
        if self._is_compact:
            return f"{part} {self._compact(element, line.algebra, said)}"
        text = f"{element}  {line.algebra}{part}"
        return text if said is None else f"{text}\n  [{element}] {said}"

    def _inspected(self, answer: Inspection, program: LinearProgram, room: Room) -> str:
        element, found, is_shown = answer.element, range_text(answer, self._style), answer.element in self.shown
        rows = [f"{name} {number_text(value)}" for name, value in self._unseen_rows(element, program)]
        texts = self._text.naming(element, self._num_texts)
        opening = f"{name_of(element)} in " if self._is_compact else "  in rows that are not shown: "
        fixed = [element, found, f"[{element}]", *([opening, *left_out(len(rows))] if rows else [])]
        line = self._line(element, program, room.beside("\n".join(fixed)).part(2 if texts else 1))
        if self._is_compact:
            parts = [*([] if is_shown else [self._compact(element, line.algebra, line.sentence)]), found]
        else:
            said = [] if is_shown or line.sentence is None else [f"  [{element}] {line.sentence}"]
            parts = [f"{element}  {line.algebra}", found, *said]
        if rows:
            rest = room.beside("\n".join([*parts, opening])).part(2 if texts else 1)
            parts.append(opening + rest.listed(rows, " , "))
        if texts:
            parts.append(room.listed(texts, " ", "\n".join([*parts, ""])))
        return "\n".join(parts)

    def _unseen_rows(self, element: Element, program: LinearProgram) -> Iterator[tuple[str, float]]:
        """The rows of a variable that the first observation does not show whole, each with its coefficient."""
        for row in program.constraints if element.startswith("var:") else ():
            for variable, value in row.terms:
                if variable == name_of(element) and row_element(row.name) not in self.shown:
                    yield row.name, value

    def _compact(self, element: Element, algebra: str, sentence: str | None) -> str:
        return f"{name_of(element)} {algebra}{beside(sentence, name_of(element))}"

    def _line(self, element: Element, program: LinearProgram, room: Room) -> _Line:
        """An element within so much room: whole if it fits, else its sentence has half or what the algebra leaves."""
        kind, _, name = element.partition(":")
        sentence = self._sentences.get(element)
        if kind == "var":
            algebra = variable_text(program.variable(name))
            said = self._said(sentence, algebra, room)
            return _Line(algebra, said, said == sentence)
        row = program.constraint(name)
        pieces = linear_pieces(row.terms)
        said = self._said(sentence, row_text(" ".join(pieces), row), room)
        left_side = room.listed(pieces, " ", row_text("", row) + beside(said))
        return _Line(row_text(left_side, row), said, said == sentence and left_side == " ".join(pieces))

    def _said(self, sentence: str | None, algebra: str, room: Room) -> str | None:
        """A sentence in half of the room, or in what its algebra leaves if that is more."""
        if sentence is None:
            return None
        left = room.beside(algebra + beside(""))
        return (left if left.tokens > room.tokens // 2 else room.part(2)).cut(sentence)

    # --- the first observation --------------------------------------------------------------------------------------

    def _first_line(self, element: Element) -> _Line:
        if element not in self._lines:
            self._lines[element] = self._line(element, self._program, self._space.part(2))
        return self._lines[element]

    def _written(self, number: int, num_texts: int) -> str:
        """The observation that shows so many elements, and so many sentences that are tied to none."""
        elements, text = self._order[:number], self._text.first(num_texts)
        lines = {element: self._first_line(element) for element in elements}
        if not self._is_compact:
            return "\n\n".join(self._full_parts(lines, text))
        written = [
            (f"{self._marks[element]} " if element in self._marks else "")
            + self._compact(element, line.algebra, line.sentence)
            for element, line in lines.items()
        ]
        unknown = [] if self._conflict is not None else [conflict_text(self._program, None, self._style)]
        return "\n".join([*unknown, *written, *self._left_out(number), self._objective + beside(text or None)])

    def _full_parts(self, lines: Mapping[Element, _Line], text: str) -> list[str]:
        model = [f"  {element}  {line.algebra}" for element, line in lines.items()]
        parts = [INFEASIBLE, "\n".join(["Model:", f"  {self._objective}", *model, *self._left_out(len(lines))])]
        said = [f"  {text}"] if text else []
        said += [f"  [{element}] {line.sentence}" for element, line in lines.items() if line.sentence is not None]
        num_left_out = len(self._sentences) - sum(line.sentence is not None for line in lines.values())
        if said or num_left_out:
            parts.append("\n".join([SPECIFICATION_HEADING, *said, *(f"  {more}" for more in left_out(num_left_out))]))
        if self._conflict is None:
            return [*parts, conflict_text(self._program, None, self._style)]
        members = [f"  {e}{meaning}" for e, meaning in _meanings(self._conflict).items() if e in lines]
        more = left_out(len(self._marks) - len(members))
        return [*parts, "\n".join([CONFLICT_HEADING, *members, *(f"  {text}" for text in more)])]

    def _left_out(self, number: int) -> list[str]:
        """A line on the elements after the first ``number``; none where there are no others."""
        left = self._order[number:]
        num_rows = sum(element.startswith("row:") for element in left)
        in_conflict = sum(element in self._marks for element in left)
        sizes = [f"{num_rows} rows", f"{len(left) - num_rows} variables"]
        sizes += [f"{in_conflict} of them in the conflict"] if in_conflict else []
        if not left:
            return []
        if self._is_compact:
            return ["not shown : " + " , ".join(sizes)]
        return [f"Not shown: {', '.join(sizes)}; inspect says of each by its name what it is."]


def _meanings(conflict: Conflict) -> dict[Element, str]:
    """Each element of the conflict with the words for its parts."""
    meanings: dict[Element, str] = {}
    for member in conflict.members:
        meanings[member.element] = meanings.get(member.element, "") + MEANING[member.part]
    return meanings
