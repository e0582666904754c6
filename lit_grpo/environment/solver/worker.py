"""The program of a solver worker: reads questions from standard input, answers each, and dies with its parent.

Started by worker_process.py as ``python -m lit_grpo.environment.solver.worker MEMORY_MB``; it imports HiGHS and the
environment, and no torch. Whatever breaks here ends this process alone.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from pathlib import Path

from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.solver import Solver
from lit_grpo.environment.solver.wire import Reply, answer_line, read_question

OUT_OF_MEMORY_STATUS = 77
"""Exit status of a worker whose program took more memory than it may."""

READY_LINE = b"ready\n"
"""Said once, when everything is imported: start-up does not count towards the first question's deadline."""

PARENT_CHECK_MS = 1000


def main() -> None:
    """Serve HiGHS."""
    serve(HighsSolver(), memory_mb=int(sys.argv[1]))


def serve(solver: Solver, memory_mb: int) -> None:
    """Answer questions until the parent is gone, the solver breaks, or memory runs out."""
    # Libraries may print to standard output: that goes to standard error from here on, and answers go where it went.
    answers = os.dup(1)
    os.dup2(2, 1)
    threading.Thread(target=_die_with_parent, args=(os.getppid(),), daemon=True).start()
    _limit_memory(memory_mb)
    _write(answers, READY_LINE)
    try:
        while line := sys.stdin.buffer.readline():
            question, program = read_question(line)
            reply, answer = answer_line(solver, question, program)
            _write(answers, answer)
            if reply is Reply.FAILURE:
                break
    except MemoryError:
        # At once: to unwind takes memory, too.
        os._exit(OUT_OF_MEMORY_STATUS)


def _die_with_parent(parent: int) -> None:
    """End this process when the parent's end of standard input closes, also in the middle of a question.

    HiGHS gives up Python's lock while it runs, so this thread gets its turn. Not PR_SET_PDEATHSIG: that signal comes
    when the *thread* that started the worker ends. The parent's number is for a parent that was killed while a process
    forked from it holds the pipe open.
    """
    poll = select.poll()
    poll.register(0, 0)
    while not poll.poll(PARENT_CHECK_MS) and os.getppid() == parent:
        pass
    os._exit(0)


def _limit_memory(memory_mb: int) -> None:
    """Let this process have so much address space beyond what its imports took.

    The kernel then refuses the allocation itself. To watch the resident size from outside would need a poll during
    every question, and between two polls a program can take the machine's memory. Linux only: elsewhere addresses are
    not limited.
    """
    if sys.platform != "linux":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


if __name__ == "__main__":
    main()
