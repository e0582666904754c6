"""Where is kept what takes long to find out of a user's programs: below ``$XDG_CACHE_HOME/lit_grpo/programs``.

Called by survey.py and kept.py. Whatever lies there can be deleted, and is found out again.
"""

from __future__ import annotations

import os
from pathlib import Path

from lit_grpo.data.programs.folder_error import ProgramFolderError


def cache_folder() -> Path:
    """The folder, which need not be there yet; below ``~/.cache`` where the variable is not set."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "lit_grpo" / "programs"


def keep(file: Path, text: str) -> None:
    """Write a file whole or not at all; several processes may write the same at once.

    Raises:
        ProgramFolderError: The system refuses.
    """
    aside = file.with_suffix(f".{os.getpid()}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(text, encoding="utf-8")
        os.replace(aside, file)
    except OSError as error:
        raise ProgramFolderError(
            f"{file.parent}: expected a folder to keep what was found out of programs, got {error}; set "
            "XDG_CACHE_HOME to one that may be written to"
        ) from error
