"""Start a vLLM server for trainings: ``python scripts/serve_vllm.py --config configs/serve/tiny.yaml``.

Every setting of ServerSettings is an option (``--help``). Ends with Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from lit_grpo.engines.vllm.server import run
from lit_grpo.engines.vllm.settings import Capacity, ModelSettings, ServerSettings


def main() -> int:
    """Serve; 2 after an error of the user's, in one line."""
    try:
        run(settings_of(sys.argv[1:]))
    except ValueError as error:
        print(f"serve_vllm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


def settings_of(arguments: Sequence[str]) -> ServerSettings:
    """From the command line and the configs that it names."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--config", action="config", help="YAML file with these options")
    parser.add_class_arguments(ModelSettings, "model")
    parser.add_class_arguments(Capacity, "capacity")
    parser.add_argument("--host", type=str, default="127.0.0.1", help="any but a loopback address needs a token")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--weights_folder", type=Path, default=Path("/dev/shm"), help="where trainings put new weights")
    parsed = parser.instantiate(parser.parse_args(list(arguments)))
    return ServerSettings(parsed.model, parsed.capacity, parsed.host, parsed.port, parsed.weights_folder)


if __name__ == "__main__":
    sys.exit(main())
