"""`lit-grpo study real-size`: the study on programs of 5 to 25 variables with the small base, step by step."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from lit_grpo.commands.command import Command, CommandParser, add_study_options, seed
from lit_grpo.experiments.real_size_arms import STEPS
from lit_grpo.presets import SMALL_BASE

DESCRIPTION = """\
Train the arms of a step of the study of real size, play held-out tasks with them, and compare them. What the steps are,
and what the study claims: docs/real_size.md. Called again it goes on where it was stopped, within a fit as well.

  lit-grpo study real-size --step gate --minutes 40     one seed, on validation tasks alone
  lit-grpo study real-size --step claim --minutes 40    the plan's seeds, on the test tasks
  lit-grpo study real-size --step gate claim fresh curriculum ablations --seed 104     everything, of one seed
  lit-grpo study real-size --verify --seed 7            the two shipped policies on tasks of another seed
  lit-grpo study real-size --page docs/real_size.md README.md     of what is done: fill in the pages"""


def parse(words: Sequence[str]) -> Namespace:
    """Read the options."""
    parser = CommandParser("study real-size", DESCRIPTION)
    add_study_options(parser, "runs/real_size", SMALL_BASE)
    steps = "; ".join(f"{step.name}: {step.summary}" for step in STEPS.values())
    parser.add_argument(
        "--step", choices=[*STEPS], nargs="+", default=["gate"], help=f"one after another; {steps} (default: gate)"
    )
    parser.add_argument("--seeds", "--seed", type=seed, nargs="+", help="of those of the plan (default: all)")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="train nothing: play 600 tasks of the seed given (default: 0) with the two policies that are shipped",
    )
    parser.add_argument(
        "--ship",
        type=Path,
        help="train nothing: write the gate's policies, or the claim's of the seed given, into this folder",
    )
    parser.add_argument(
        "--minutes", type=minutes, help="end after so many, with a checkpoint of each fit that runs (default: never)"
    )
    parser.add_argument("--accelerator", choices=["cpu", "gpu"], default="cpu", help="gpu: all arms share one device")
    parser.add_argument(
        "--page",
        type=Path,
        nargs="+",
        help="train nothing: fill in pages with the results of the steps done, or with the claim in short, as the "
        "markers in the page ask",
    )
    options = parser.parse_args(words)
    if options.verify and len(options.seeds or [0]) > 1:
        parser.error(f"--seeds: expected one seed with --verify, got {len(options.seeds)}")
    if options.ship is not None and len(options.seeds or []) > 1:
        parser.error(f"--seeds: expected at most one seed with --ship, got {len(options.seeds)}")
    return options


def minutes(text: str) -> float:
    """A number above 0: the type of an option."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of minutes above 0, got {text!r}")
    return value


def run(options: Namespace) -> int:
    """Run what has not been run of the step, then report it."""
    import math
    import time

    from rich.console import Console

    from lit_grpo.experiments.real_size import RealSizeStudy, is_gate_kept, run_step
    from lit_grpo.experiments.real_size_plan import PLAN, SMOKE_PLAN, require_gate
    from lit_grpo.experiments.real_size_verify import ship, verify
    from lit_grpo.reports.real_size_page import write_page

    if options.verify:
        number = options.seeds[0] if options.seeds else 0
        verify(options.output / f"verify_{number}", number, options.jobs, Console())
        return 0
    if options.ship is not None:
        for folder in ship(options.output, options.seeds[0] if options.seeds else None, options.ship):
            Console().print(f"Written: {folder}", soft_wrap=True)
        return 0
    plan = SMOKE_PLAN if options.smoke else PLAN
    if options.page is not None:
        for page in options.page:
            write_page(options.output, page, plan.to_json(STEPS["claim"].arms, options.base))
        return 0
    until = math.inf if options.minutes is None else time.monotonic() + 60 * options.minutes
    study = RealSizeStudy(
        root=options.output,
        base=options.base,
        plan=plan,
        num_jobs=options.jobs,
        threads=options.threads,
        is_smoke=options.smoke,
        accelerator=options.accelerator,
        until=until,
    )
    for step in (STEPS[name] for name in options.step):
        if step.is_tested and not options.smoke:
            require_gate(options.output / "gate.json", study.conditions(STEPS["gate"]))
        if step.name == "gate" and is_gate_kept(study):
            Console().print(f"The gate is passed: {options.output / 'gate.json'}", soft_wrap=True)
            continue
        if not run_step(study, step, [*dict.fromkeys(options.seeds or plan.seeds)], Console()):
            break
    return 0


COMMAND = Command(
    "study real-size", "SFT and RL on programs of real size, with the small base: hours on a CPU", parse, run
)
