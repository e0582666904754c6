"""`lit-grpo suite evaluate`: trained policies on a suite, over kind and difficulty."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser
from lit_grpo.environment.episodes.levels import SpecificationLevel
from lit_grpo.environment.episodes.observation import ObservationStyle

DESCRIPTION = """\
Play one greedy attempt per task of a suite with each policy, print FR@5, FR@1 and RR@5 per cell beside the study's
bands, and write `final.md`, `final.png` and a run folder per policy. Policies that have been evaluated are not again.

  lit-grpo suite evaluate runs/benchmark sft=runs/sft/policy rl=runs/grpo/policy"""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("suite evaluate", DESCRIPTION)
    parser.add_argument("suite", type=Path, help="a .jsonl file, or a folder of them")
    parser.add_argument(
        "policies", nargs="+", type=_policy, metavar="NAME=FOLDER", help="with weights and tokenizer, in this order"
    )
    parser.add_argument("--output", type=Path, default=Path("runs/final"), help="default: %(default)s")
    styles = [style.name for style in ObservationStyle]
    parser.add_argument("--style", choices=styles, default="COMPACT", help="of the text (default: %(default)s)")
    levels = [level.name for level in SpecificationLevel]
    parser.add_argument(
        "--specification",
        choices=levels,
        default="BESIDE",
        help="how it is tied to the elements (default: %(default)s)",
    )
    parser.add_argument("--view-tokens", type=int, help="most tokens of a first observation (default: whole programs)")
    parser.add_argument("--undo-if-still-infeasible", action="store_true", help="as in the shipped training configs")
    parser.add_argument("--max-completion-tokens", type=int, default=64, help="of a turn (default: %(default)s)")
    parser.add_argument("--stop", type=int, nargs="+", default=[], help="token ids, as rollout.sampling.stop")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="default: %(default)s")
    return parser.parse_args(words)


def run(options: Namespace) -> int:
    """Play, print, write."""
    from rich.console import Console

    from lit_grpo.dtypes import torch_dtype
    from lit_grpo.environment.episodes.record import EpisodeSettings
    from lit_grpo.experiments.final_evaluation import EvaluationSettings, evaluate_checkpoints
    from lit_grpo.metrics.bootstrap import BootstrapSettings
    from lit_grpo.reports.final import FINAL_FILE, write_final
    from lit_grpo.reports.pooled_cells import pooled_cells
    from lit_grpo.reports.runs import read_table

    rules = EpisodeSettings(
        undo_if_still_infeasible=options.undo_if_still_infeasible,
        style=ObservationStyle[options.style],
        specification=SpecificationLevel[options.specification],
        view_tokens=options.view_tokens,
    )
    settings = EvaluationSettings(
        rules, options.max_completion_tokens, options.device, torch_dtype(options.dtype), tuple(options.stop)
    )
    console, intervals = Console(), BootstrapSettings()
    runs = evaluate_checkpoints(options.suite, dict(options.policies), options.output, settings, console)
    cells = {name: pooled_cells([read_table(run)], intervals) for name, run in runs.items()}
    write_final(options.output, cells, intervals, console)
    console.print(f"Written: {options.output / FINAL_FILE}", soft_wrap=True)
    return 0


def _policy(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"expected policies as NAME=FOLDER, got {text}")
    return name, Path(folder)


COMMAND = Command("suite evaluate", "play a suite with trained policies, over kind and difficulty", parse, run)
