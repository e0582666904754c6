"""`lit-grpo canary`: ten updates of a fit at learning rate 0, in which nothing may drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser

DESCRIPTION = """\
Take the configs and options of `lit-grpo fit` for GRPO, and run ten updates at learning rate 0 twice: with their
engine, and with the transformers engine. Shows the mismatch of every update and both engines' rewards, and ends with 1
if the weights changed, the mismatch is beyond the limits that the monitor warns of or grows, or the rewards differ by
more than rounding explains. How to read it: docs/rollouts.md, "Mismatch monitor".

  lit-grpo canary --config base --config grpo --config model/tiny --config engine/vllm \\
    --model.policy.checkpoint runs/sft/policy"""


@dataclass(frozen=True, slots=True)
class CanaryOptions:
    """What is run, and where."""

    fit: tuple[str, ...]
    """Words of `lit-grpo fit`."""
    folder: Path
    """The folder for the configs as they were run."""


def parse(words: Sequence[str]) -> CanaryOptions:
    """Read this command's own options; those of the fit are read when it is run."""
    parser = CommandParser("canary", DESCRIPTION)
    parser.add_argument("--config", action="append", required=True, help="of a GRPO fit; any other of its options, too")
    parser.add_argument("--folder", type=Path, default=Path("runs/canary"), help="default: %(default)s")
    known, others = parser.parse_known_args(words)
    configs = [word for config in known.config for word in ("--config", config)]
    return CanaryOptions((*configs, *others), known.folder)


def run(options: CanaryOptions) -> int:
    """Run both, compare; 1 if anything moved."""
    from lit_grpo.experiments.canary import run_canary

    return run_canary(options.fit, options.folder)


COMMAND = Command("canary", "ten updates of a GRPO fit at learning rate 0: does the engine drift?", parse, run)
