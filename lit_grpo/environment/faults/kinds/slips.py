"""The slips that kinds E to G and I are made of: candidates of kinds A to D, of all sorts in random order.

Called by the files beside this one. Every one of them makes the LP relaxation infeasible, so that integrality plays no
part in what is claimed about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from lit_grpo.environment.faults.candidates import (
    Candidate,
    CandidateSource,
    bound_and_type_candidates,
    coefficient_candidates,
    right_hand_side_candidates,
    sense_candidates,
)
from lit_grpo.environment.programs.edits import apply, edited_element
from lit_grpo.environment.programs.program import Element, LinearProgram


@dataclass(frozen=True, slots=True)
class Slip:
    """A candidate, and what it makes of the true program."""

    candidate: Candidate
    element: Element
    faulty: LinearProgram


def slips(source: CandidateSource) -> Iterator[Slip]:
    """All candidates, drawn in turn from a kind at random."""
    streams = [
        sense_candidates(source),
        bound_and_type_candidates(source),
        coefficient_candidates(source),
        right_hand_side_candidates(source),
    ]
    return _in_turn(source, streams)


def narrow_slips(source: CandidateSource) -> Iterator[Slip]:
    """Bounds, right-hand sides and added rows only just out of range: everything that sets the range is in conflict."""
    source = replace(source, narrow=True)
    streams = [bound_and_type_candidates(source), right_hand_side_candidates(source)]
    return _in_turn(source, streams)


def slips_of(source: CandidateSource, elements: Iterable[Element]) -> Iterator[Slip]:
    """The candidates that edit one of these elements."""
    return slips(replace(source, only=frozenset(elements)))


def _in_turn(source: CandidateSource, streams: list[Iterator[Candidate]]) -> Iterator[Slip]:
    while streams:
        stream = source.rng.choice(streams)
        candidate = next(stream, None)
        if candidate is None:
            streams.remove(stream)
        elif not candidate.only_integrality:
            yield Slip(candidate, edited_element(candidate.edit), apply(source.program, candidate.edit))
