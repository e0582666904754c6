"""What is raised for a user's programs: its own file, since everything in this folder raises it."""

from __future__ import annotations


class ProgramFolderError(ValueError):
    """A folder of programs that cannot be trained on: a line for each thing to mend."""
