"""Writing files of a run: whole or not at all; where it fails, one line with the path, whatever the system said.

Called wherever a run writes: checkpoints, logs, transcripts, results, exports, and what a study keeps.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class NotWritten(ValueError):
    """A file or folder could not be written; what was there before is as it was."""


@contextmanager
def writing(
    path: Path | str, *also: type[Exception], instead: str = "name another folder as trainer.default_root_dir"
) -> Iterator[None]:
    """Say which path it was that could not be written.

    Args:
        path: The file or folder that is written within the context.
        also: Other errors by which a library says so.
        instead: What an error proposes beside making room.

    Raises:
        NotWritten: The system refused (a full disk, a folder that may not be written to).
    """
    try:
        yield
    except NotWritten:
        raise
    except (OSError, *also) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error).splitlines()[0]
        raise NotWritten(
            f"{path}: expected a place to write to, got: {reason}; make room there, or {instead}"
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that whoever finds it finds all of it, also after a kill; one that is there is replaced."""
    aside = path.with_name(f"{path.name}.partial")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def require_writable(folder: Path) -> None:
    """Find out whether a folder can be made and written to; leaves it as it was, or missing.

    Raises:
        NotWritten: It cannot, for example since there is a file in its place.
    """
    with writing(folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        finally:
            for path in missing:
                with suppress(OSError):  # it was not made, or somebody else has put something into it
                    path.rmdir()
