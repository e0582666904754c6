"""A vLLM server without vLLM: the real sockets and the real loop over a core whose tokens are a function of the seed.

Started by the tests as ``python scripted_server.py JOURNAL FAULT... --settings FILE --parent``. The n-th start has the
n-th fault; what happens is written to the journal, a line each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from lit_grpo.engines.engine import FinishReason
from lit_grpo.engines.vllm.core import CannotDo
from lit_grpo.engines.vllm.listener import Listener
from lit_grpo.engines.vllm.messages import Completed, Generate
from lit_grpo.engines.vllm.server import Server
from lit_grpo.engines.vllm.settings import TOKEN_VARIABLE, ServerSettings

VOCABULARY, CONTEXT, STOP = 50, 64, 7
BEFORE_FAULT = 2
"""Completions that are right before the fault shows."""


def tokens_of(seed: int, most: int) -> tuple[tuple[int, ...], FinishReason]:
    """What is drawn with a seed: up to the first stop token."""
    rng = Random(seed)
    tokens: list[int] = []
    while len(tokens) < most:
        tokens.append(rng.randrange(VOCABULARY))
        if tokens[-1] == STOP:
            return tuple(tokens), FinishReason.STOP
    return tuple(tokens), FinishReason.LENGTH


class ScriptedCore:
    """Stands in for VllmCore."""

    max_context_tokens, vocabulary, dtype = CONTEXT, VOCABULARY, "float32"

    def __init__(self, fault: str, journal: Path) -> None:
        self._fault, self._journal = fault, journal
        self.policy_version = -1
        self._queue: list[tuple[str, Generate]] = []
        self._num_done = 0
        self.note(f"start {fault}")

    def note(self, text: str) -> None:
        with self._journal.open("a") as file:
            file.write(f"{text}\n")

    @property
    def is_busy(self) -> bool:
        return bool(self._queue)

    def submit(self, key: str, request: Generate) -> None:
        if request.policy_version != self.policy_version:
            raise CannotDo(f"policy version {request.policy_version} was asked for, {self.policy_version} is here")
        self.note(f"generate {request.key}")
        if not (self._fault == "lose_one" and request.key == BEFORE_FAULT):
            self._queue.append((key, request))

    def step(self) -> list[tuple[str, Completed]]:
        at_fault = self._num_done == BEFORE_FAULT
        if at_fault and self._fault == "die":
            os._exit(9)
        if at_fault and self._fault == "freeze":
            time.sleep(60)
        if at_fault and self._fault == "never_end":
            time.sleep(0.05)
            return []
        if self._fault == "slow":
            time.sleep(0.4)
        key, request = self._queue.pop(0)
        self._num_done += 1
        tokens, finish = tokens_of(request.seed, request.sampling.max_completion_tokens)
        completed = Completed(request.key, tokens, (-1.5,) * len(tokens), finish, self.policy_version, cached_tokens=0)
        return [(key, MALFORMED[self._fault](completed) if at_fault and self._fault in MALFORMED else completed)]

    def cancel(self, keys: Sequence[str]) -> None:
        self._queue = [(key, request) for key, request in self._queue if key not in keys]

    def score(self, sequences: Sequence[Sequence[int]]) -> tuple[tuple[float, ...], ...]:
        return tuple((-2.0,) * (len(tokens) - 1) for tokens in sequences)

    def load(self, folder: Path, policy_version: int) -> float:
        self.policy_version = -1
        self.note(f"load {policy_version} {','.join(sorted(path.name for path in folder.iterdir()))}")
        if self._fault == "die_in_load":
            os._exit(9)
        if self._fault == "refuse_load":
            raise KeyError("model.layers.9.weight")
        if self._fault == "freeze_in_load":
            time.sleep(60)
        self.policy_version = policy_version + (self._fault == "load_another")
        return 0.0

    def export(self, folder: Path) -> None:
        raise CannotDo("there are no weights")


MALFORMED = {
    "too_few_tokens": lambda c: replace(c, token_ids=(1,), logprobs=(-1.5,), finish_reason=FinishReason.LENGTH),
    "no_tokens": lambda c: replace(c, token_ids=(), logprobs=(), finish_reason=FinishReason.LENGTH),
    "too_many_tokens": lambda c: replace(c, token_ids=(1,) * 99, logprobs=(-1.5,) * 99),
    "too_few_logprobs": lambda c: replace(c, logprobs=c.logprobs[1:]),
    "logprob_not_a_number": lambda c: replace(c, logprobs=(float("nan"),) * len(c.token_ids)),
    "logprob_above_0": lambda c: replace(c, logprobs=(0.5,) * len(c.token_ids)),
    "unknown_token": lambda c: replace(c, token_ids=(VOCABULARY, *c.token_ids[1:])),
    "goes_on_after_stop": lambda c: replace(c, token_ids=(STOP, 1), logprobs=(-1.5, -1.5)),
    "another_key": lambda c: replace(c, key=99),
    "a_key_twice": lambda c: replace(c, key=0),
    "old_weights": lambda c: replace(c, policy_version=c.policy_version - 1),
}
"""Completions that no right server gives."""


def main() -> None:
    journal, *faults = sys.argv[1 : sys.argv.index("--settings")]
    settings = ServerSettings.from_json(Path(sys.argv[sys.argv.index("--settings") + 1]).read_text())
    starts = journal_lines(Path(journal), "start")
    if len(starts) < len(faults) and faults[len(starts)] == "no_start":
        Path(journal).write_text(Path(journal).read_text() + "start no_start\n" if starts else "start no_start\n")
        sys.exit("no memory left")
    core = ScriptedCore(faults[len(starts)] if len(starts) < len(faults) else "none", Path(journal))
    listener = Listener(settings.host, settings.port, os.environ[TOKEN_VARIABLE])
    listener.watch(sys.stdin.fileno())
    print(json.dumps({"port": listener.port}), flush=True)
    Server(core, listener, settings.weights_folder).serve()  # pyright: ignore[reportArgumentType]


def journal_lines(journal: Path, kind: str) -> list[str]:
    """Lines of one kind, without the kind."""
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [line.partition(" ")[2] for line in lines if line.split(" ")[0] == kind]


if __name__ == "__main__":
    main()
