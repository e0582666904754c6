"""One vLLM server: ``python -m lit_grpo.engines.vllm.server --settings FILE [--parent]``.

Started by servers.py for a training on the same machine, or by `lit-grpo serve` by hand. One thread: between
two steps of the engine it reads what clients say, and tells them what ended. Requests are JSON, weights are safetensors
files below one folder: nothing that comes in is ever run.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.engines.vllm.core import CannotDo, VllmCore
from lit_grpo.engines.vllm.listener import Client, Listener
from lit_grpo.engines.vllm.messages import (
    Busy,
    Cancel,
    Export,
    Exported,
    Generate,
    Hello,
    Load,
    Loaded,
    Message,
    Ready,
    Refused,
    Score,
    Scored,
)
from lit_grpo.engines.vllm.owned_folder import remove_orphans
from lit_grpo.engines.vllm.settings import TOKEN_VARIABLE, ServerSettings, require_vllm

BEAT_S = 1.0
"""Seconds between two signs of life to a client that waits."""

WEIGHT_FILES = {".safetensors", ".json"}
"""The files that a folder of weights may hold: formats that run nothing when they are read."""

_log = logging.getLogger(__name__)


class Server:
    """Serves until its parent is gone; without one, for ever."""

    def __init__(self, core: VllmCore, listener: Listener, weights_folder: Path) -> None:
        self._core, self._listener, self._weights_folder = core, listener, weights_folder.resolve()
        self._owners: dict[str, Client] = {}
        self._last_beat = time.monotonic()

    def serve(self) -> None:
        """Serve, and return when the parent is gone."""
        while True:
            messages, gone, parent_gone = self._listener.receive(0 if self._core.is_busy else None)
            if parent_gone:
                return
            for client in gone:
                self._forget(client)
            for client, message in messages:
                self._answer(client, message)
            if self._core.is_busy:
                self._step()

    def _step(self) -> None:
        for key, completed in self._core.step():
            self._listener.send(self._owners.pop(key), completed)
        if time.monotonic() - self._last_beat > BEAT_S:
            self._last_beat = time.monotonic()
            for client in set(self._owners.values()):
                self._listener.send(client, Busy())

    def _answer(self, client: Client, message: Message) -> None:
        try:
            answer = self._do(client, message)
        except CannotDo as reason:
            answer = Refused(str(reason))
        except Exception as error:
            # Its weights may be half old and half new: whoever is connected has to know that it is of no more use.
            self._listener.send(client, Refused(f"{type(error).__name__}: {error}"))
            raise
        if answer is not None:
            self._listener.send(client, answer)

    def _do(self, client: Client, message: Message) -> Message | None:
        match message:
            case Hello():
                core = self._core
                return Ready(core.max_context_tokens, core.vocabulary, core.policy_version, core.dtype)
            case Generate():
                key = f"{client.number}/{message.key}"
                if key in self._owners:
                    raise CannotDo(f"the key {message.key} is in use")
                self._core.submit(key, message)
                self._owners[key] = client
                return None
            case Score():
                return Scored(self._core.score(message.sequences))
            case Load():
                seconds = self._core.load(self._allowed(message.folder, WEIGHT_FILES), message.policy_version)
                return Loaded(message.policy_version, seconds)
            case Export():
                self._core.export(self._allowed(message.folder, set()))
                return Exported(message.folder)
            case Cancel():
                self._forget(client)
                return None
            case _:
                raise CannotDo(f"a {type(message).__name__} is not for a server")

    def _forget(self, client: Client) -> None:
        keys = [key for key, owner in self._owners.items() if owner is client]
        self._core.cancel(keys)
        for key in keys:
            del self._owners[key]

    def _allowed(self, folder: str, suffixes: set[str]) -> Path:
        """The folder, if it lies where weights do and holds only files of these kinds."""
        path = Path(folder).resolve()
        if self._weights_folder not in path.parents or not path.is_dir():
            raise CannotDo(f"{folder}: expected a folder below {self._weights_folder}")
        others = sorted(file.name for file in path.iterdir() if file.suffix not in suffixes)
        if others:
            raise CannotDo(f"{folder}: expected files of the kinds {sorted(suffixes)} only, got {others[0]}")
        return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Start, print the port as a line of JSON on standard output, and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="ServerSettings as JSON")
    parser.add_argument("--parent", action="store_true", help="end when standard input is closed")
    parsed = parser.parse_args(arguments)
    run(ServerSettings.from_json(parsed.settings.read_text(encoding="utf-8")), parsed.parent)


def run(settings: ServerSettings, has_parent: bool = False) -> None:
    """Serve; if there is a parent, until it closes standard input.

    Raises:
        ValueError: The package vLLM is missing, or processes of other machines could connect without a token.
    """
    require_vllm()
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token and not settings.is_local:
        raise ValueError(
            f"host: expected a loopback address without a token, got {settings.host}; set {TOKEN_VARIABLE} to a "
            f"secret (such as {secrets.token_hex(16)}) here and for the training"
        )
    # Standard output is for the line that says where: vLLM and its libraries print what they like.
    said = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    remove_orphans(settings.weights_folder)
    core = VllmCore(settings.model, settings.capacity)
    listener = Listener(settings.host, settings.port, token)
    if has_parent:
        listener.watch(sys.stdin.fileno())
    print(json.dumps({"host": settings.host, "port": listener.port, "pid": os.getpid()}), file=said, flush=True)
    _log.info("serving %s on %s:%d", settings.model.checkpoint, settings.host, listener.port)
    try:
        Server(core, listener, settings.weights_folder).serve()
    finally:
        listener.close()


if __name__ == "__main__":
    main()
