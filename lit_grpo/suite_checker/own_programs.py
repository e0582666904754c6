"""Records made of a user's own programs: what can be checked of a text that no template has produced, and of a split
that follows from all programs of a folder.

Called by certificates.py and check.py. The digests of the programs are in the suite's manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lit_grpo.suite_checker.records import Record, program_digest, split_of_digest
from lit_grpo.suite_checker.strict_json import RecordError, read_object

DOMAIN = "programs"
"""The domain of such records."""
SPLITS = ("test", "validation", "train")
"""In the order in which an empty one is filled; of splits that have as many the last one gives."""


def is_own(record: Record) -> bool:
    """Whether the record is of a user's program."""
    return record.fields["domain"] == DOMAIN


def text_failures(record: Record) -> Iterator[str]:
    """What does not hold of a user's text: sentences are about what the true program has, or about nothing."""
    program = record.original
    known = {*(f"row:{name}" for name in program.rows), *(f"var:{name}" for name in program.variables)}
    for sentence in record.sentences:
        if sentence.about is not None and sentence.about not in known:
            yield f"expected sentences about elements of the original program, got one about {sentence.about}"
        if not sentence.text.strip():
            yield "expected a text in every sentence, got an empty one"


def split_failures(record: Record, digests: Sequence[str] | None) -> Iterator[str]:
    """What does not hold of the split. Without the digests of the folder's programs nothing does: any record could call
    itself one of a user's, whose text and size nobody knows.
    """
    if record.fields["split"] != "test":
        yield f"expected the split test, got {record.fields['split']}"
    if digests is None:
        yield "expected a manifest with the digests of the user's programs beside such a record, got none"
    elif splits_of(digests).get(program_digest(record.original)) != "test":
        yield "expected an original program that the manifest's programs have in test, got another"


def splits_of(digests: Sequence[str]) -> dict[str, str]:
    """The split of each program: by its digest, but that none is left empty."""
    splits = {digest: split_of_digest(digest) for digest in sorted(digests, reverse=True)}
    for split in SPLITS:
        if split not in splits.values():
            held = list(splits.values())
            largest = max(reversed(SPLITS), key=held.count)
            splits[next(digest for digest in splits if splits[digest] == largest)] = split
    return splits


def digests_of(folder: Path, manifest: str) -> tuple[str, ...] | None:
    """The digests in a folder's manifest; None if there is no manifest that has some."""
    try:
        digests = read_object((folder / manifest).read_text(encoding="utf-8"), "manifest").get("programs")
    except (OSError, UnicodeDecodeError, RecordError):
        return None
    return listed_digests(digests)


def listed_digests(value: object) -> tuple[str, ...] | None:
    """A manifest's value as digests; None if it is not those of three programs at least, in order, each once."""
    if not isinstance(value, list) or not all(isinstance(item, str) and _is_digest(item) for item in value):
        return None
    return tuple(value) if len(value) >= len(SPLITS) and value == sorted(set(value)) else None


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")
