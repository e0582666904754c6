"""Any policies on any suite, over kind x difficulty: ``python scripts/evaluate_checkpoints.py SUITE sft=DIR rl=DIR``.

Plays one greedy episode per task with each policy, prints FR@5, FR@1 and RR@5 per cell beside the study's bands, and
writes `final.md`, `final.png` and a run folder per policy. Policies that have been evaluated are not again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from lit_grpo.dtypes import torch_dtype
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.experiments.final_evaluation import EvaluationSettings, evaluate_checkpoints
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.reports.final import FINAL_FILE, write_final
from lit_grpo.reports.pooled_cells import pooled_cells
from lit_grpo.reports.runs import read_table


def main() -> None:
    """Play, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path, help="file or folder of scripts/make_benchmark.py")
    parser.add_argument("policies", nargs="+", metavar="NAME=FOLDER", help="with weights and tokenizer, in this order")
    parser.add_argument("--output", type=Path, default=Path("runs/final"), help="default: %(default)s")
    parser.add_argument("--style", choices=[style.name for style in ObservationStyle], default="COMPACT")
    parser.add_argument("--undo-if-still-infeasible", action="store_true", help="as in the shipped training configs")
    parser.add_argument("--max-completion-tokens", type=int, default=64, help="of a turn (default: %(default)s)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    arguments = parser.parse_args()
    if not all("=" in policy for policy in arguments.policies):
        parser.error(f"expected policies as NAME=FOLDER, got {' '.join(arguments.policies)}")
    rules = EpisodeSettings(
        undo_if_still_infeasible=arguments.undo_if_still_infeasible, style=ObservationStyle[arguments.style]
    )
    dtype = torch_dtype(arguments.dtype)
    settings = EvaluationSettings(rules, arguments.max_completion_tokens, arguments.device, dtype)
    checkpoints = {name: Path(folder) for name, folder in (policy.split("=", 1) for policy in arguments.policies)}
    console, intervals = Console(), BootstrapSettings()
    try:
        runs = evaluate_checkpoints(arguments.suite, checkpoints, arguments.output, settings, console)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    cells = {name: pooled_cells([read_table(run)], intervals) for name, run in runs.items()}
    write_final(arguments.output, cells, intervals, console)
    console.print(f"Written: {arguments.output / FINAL_FILE}")


if __name__ == "__main__":
    main()
