"""Folders in shared memory that belong to a process, and the removal of those whose process is gone.

Used by weights_folder.py and server.py. A process that is killed removes nothing, and shared memory stays full until
the machine restarts. So each owner holds a lock on a file in its folder, which the kernel releases when it ends, in
whatever way; a folder whose lock is free is nobody's. Process numbers would not do: they are used again, and
containers that share memory do not share them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import time
from pathlib import Path

PREFIX = "lit_grpo_weights_"
OWNER = "owner.lock"

_log = logging.getLogger(__name__)


class OwnedFolder:
    """A new folder that is this process's until it ends, or until ``remove``."""

    def __init__(self, path: Path, lock: int) -> None:
        """See `at`; ``lock`` is the descriptor that holds it."""
        self.path, self._lock = path, lock

    @classmethod
    def at(cls, path: Path) -> OwnedFolder | None:
        """Make the folder, under a name that begins with `PREFIX`; None if somebody else has made it."""
        while True:
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:
                return None
            lock = _locked(path / OWNER, os.O_RDWR | os.O_CREAT)
            if lock is not None:
                return cls(path, lock)
            # Before it was locked another process took it for left behind, and removes it.
            while path.exists():
                time.sleep(0.01)

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def remove_orphans(base: Path) -> list[Path]:
    """Remove the folders below ``base`` whose owners are gone, and return them.

    Folders of live processes, of other users, and without a lock file stay.
    """
    removed = []
    for folder in sorted(base.glob(f"{PREFIX}*")):
        lock = _locked(folder / OWNER, os.O_RDWR)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
            removed.append(folder)
            _log.warning("removed %s, left behind by a process that was killed", folder)
    return removed


def _locked(file: Path, flags: int) -> int | None:
    """A descriptor that holds the lock of a file that is still there; None if the lock is not free."""
    try:
        descriptor = os.open(file, flags, 0o600)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if file.exists() and os.path.samestat(os.fstat(descriptor), file.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
