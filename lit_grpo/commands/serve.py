"""`lit-grpo serve`: a vLLM server that trainings share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from jsonargparse import ArgumentParser
from typing_extensions import override

from lit_grpo.commands.command import Command, UsageError
from lit_grpo.engines.vllm.settings import Capacity, ModelSettings, ServerSettings
from lit_grpo.presets import with_preset_paths

DESCRIPTION = """\
Start a vLLM server for trainings with --config engine/vllm_server. Ends with Ctrl-C or SIGTERM. What it serves, who
may connect, and how weights reach it: docs/rollouts.md."""


class ServerParser(ArgumentParser):
    """A parser whose errors are one line each."""

    @override
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{' '.join(message.split())}; see `lit-grpo serve --help`") from ex


def parse(words: Sequence[str]) -> ServerSettings:
    """Read the options and the configs that they name."""
    parser = ServerParser(prog="lit-grpo serve", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--config", action="config", help="YAML file with these options")
    parser.add_class_arguments(ModelSettings, "model")
    parser.add_class_arguments(Capacity, "capacity")
    parser.add_argument("--host", type=str, default="127.0.0.1", help="any but a loopback address needs a token")
    parser.add_argument("--port", type=int, default=8765, help="0: any free one, said on standard output")
    parser.add_argument("--weights_folder", type=Path, default=Path("/dev/shm"), help="where trainings put new weights")
    parsed = parser.instantiate(parser.parse_args(with_preset_paths(words)))
    return ServerSettings(parsed.model, parsed.capacity, parsed.host, parsed.port, parsed.weights_folder)


def run(settings: ServerSettings) -> int:
    """Serve until Ctrl-C."""
    from lit_grpo.engines.vllm.server import run as serve

    try:
        serve(settings)
    except KeyboardInterrupt:
        return 0
    return 0


COMMAND = Command("serve", "start a vLLM server that trainings share", parse, run)
