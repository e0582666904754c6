"""The same task before and after: an attempt that failed beside a faithful one, as a figure and as text.

Called by report.py, on the `episodes.jsonl` of two run folders.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.reports.style import FAINT, GREEN, INK, MUTED, VERMILION, figure

TRANSCRIPTS_FILE = "episodes.jsonl"
COLUMN_CHARACTERS = 80
LINE_INCHES = 0.165
COLUMN_INCHES = 6.0


@dataclass(frozen=True, slots=True)
class TranscriptTurn:
    """What the agent wrote, and what it was shown in return."""

    text: str
    feedback: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """One episode as text."""

    task_id: str
    problem: str
    """The first observation."""
    turns: tuple[TranscriptTurn, ...]
    stop_reason: StopReason
    faithful: bool

    @property
    def verdict(self) -> str:
        """How it ended, in words."""
        turns = f"{len(self.turns)} turn{'s' if len(self.turns) > 1 else ''}"
        if self.faithful:
            return f"repaired faithfully in {turns}"
        if self.stop_reason is StopReason.RECOVERED:
            return f"feasible again after {turns}, but not the original"
        return f"not repaired after {turns} ({self.stop_reason.value.replace('_', ' ')})"


@dataclass(frozen=True, slots=True)
class BeforeAndAfter:
    """The same task by two policies."""

    before_name: str
    before: Transcript
    after_name: str
    after: Transcript


def read_transcripts(path: Path) -> tuple[Transcript, ...]:
    """Read an `episodes.jsonl`, as rollout/transcripts.py writes it: one JSON object per attempt."""
    transcripts = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            transcripts.append(_from_json(line))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}:{number}: expected an attempt as write_transcripts writes it, got {line[:80]!r} ({error!r}); "
                "remove the line, or play again"
            ) from error
    return tuple(transcripts)


def find_improvement(before: Sequence[Transcript], after: Sequence[Transcript]) -> tuple[Transcript, Transcript] | None:
    """A task that failed before and is faithful after: shortest problem first, then id, so that the choice is stable.

    Among equals an attempt of several turns that failed says more than one that was cut off at once.
    """
    failed = {transcript.task_id: transcript for transcript in before if not transcript.faithful}
    improved = [transcript for transcript in after if transcript.faithful and transcript.task_id in failed]
    if not improved:
        return None
    best = min(improved, key=lambda t: (len(failed[t.task_id].turns) < 2, len(t.problem), t.task_id))
    return failed[best.task_id], best


def draw_before_and_after(pair: BeforeAndAfter, path: Path) -> None:
    """The problem on top, the two attempts below it side by side."""
    problem = _wrapped(pair.before.problem, 2 * COLUMN_CHARACTERS)
    attempts = [list(_attempt_lines(transcript)) for transcript in (pair.before, pair.after)]
    num_lines = len(problem) + 2, max(len(lines) for lines in attempts) + 2
    with figure(2 * COLUMN_INCHES, LINE_INCHES * (sum(num_lines) + 3), path) as drawing:
        grid = drawing.add_gridspec(2, 2, height_ratios=num_lines)
        top = _text_axes(drawing, grid[0, :], f"Task {pair.before.task_id[:12]}", INK)
        _write(top, [_Line(text, INK) for text in problem], num_lines[0])
        for column, (name, transcript, lines) in enumerate(
            zip((pair.before_name, pair.after_name), (pair.before, pair.after), attempts, strict=True)
        ):
            colour = GREEN if transcript.faithful else VERMILION
            axes = _text_axes(drawing, grid[1, column], f"{name}: {transcript.verdict}", colour)
            _write(axes, lines, num_lines[1])


def transcript_markdown(pair: BeforeAndAfter) -> str:
    """The same as Markdown."""
    parts = [f"Task `{pair.before.task_id}`", "", _fenced(pair.before.problem)]
    for name, transcript in ((pair.before_name, pair.before), (pair.after_name, pair.after)):
        turns = "\n".join(f"> {turn.text}\n{textwrap.indent(turn.feedback, '  ')}" for turn in transcript.turns)
        parts += ["", f"**{name}**: {transcript.verdict}", "", _fenced(turns)]
    return "\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    colour: str
    is_bold: bool = False


def _from_json(line: str) -> Transcript:
    record = json.loads(line)
    return Transcript(
        task_id=record["task_id"],
        problem=record["problem"],
        turns=tuple(TranscriptTurn(turn["text"], turn["observation"]) for turn in record["turns"]),
        stop_reason=StopReason(record["stop_reason"]),
        faithful=record["success"],
    )


def _attempt_lines(transcript: Transcript) -> Iterator[_Line]:
    for number, turn in enumerate(transcript.turns, start=1):
        for index, text in enumerate(_wrapped(turn.text, COLUMN_CHARACTERS - 3)):
            yield _Line(f"{number}  {text}" if index == 0 else f"   {text}", INK, is_bold=True)
        for text in _wrapped(turn.feedback, COLUMN_CHARACTERS - 3):
            yield _Line(f"   {text}", MUTED)


def _wrapped(text: str, width: int) -> list[str]:
    return [part for line in text.splitlines() for part in textwrap.wrap(line, width) or [""]]


def _text_axes(drawing: Figure, place: SubplotSpec, title: str, colour: str) -> Axes:
    axes = drawing.add_subplot(place)
    axes.set_title(title, color=colour)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(FAINT)
    axes.spines["left"].set_color(colour)
    axes.spines["left"].set_linewidth(3)
    axes.spines["left"].set_capstyle("butt")
    return axes


def _write(axes: Axes, lines: Sequence[_Line], num_lines: int) -> None:
    axes.set_ylim(num_lines, 0)
    axes.set_xlim(0, 1)
    for position, line in enumerate(lines):
        written = axes.text(
            0.015,
            position + 1.3,
            line.text,
            color=line.colour,
            weight="bold" if line.is_bold else "normal",
            family="DejaVu Sans Mono",
            fontsize=8.2,
            va="center",
            transform=axes.get_yaxis_transform(),
        )
        written.set_in_layout(False)  # the layout would make the boxes smaller than their text


def _fenced(text: str) -> str:
    """A code block that no line of ``text`` can close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"
