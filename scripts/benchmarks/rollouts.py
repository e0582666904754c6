"""Tokens per second of whole rollouts, solver included: ``python scripts/benchmarks/rollouts.py --tasks 16``.

The same tasks, seeds and settings with the vLLM engine, with a barrier after every turn, without the prefix cache, and
with the transformers engine; and vLLM alone (``LLM.generate``) on the very contexts and lengths of the first, all at
once. Each case runs once to warm up; then they take turns for ``--rounds`` rounds, and medians count. The vLLM server
has one thread, and so has vLLM alone: the rest of a rollout takes a second core. Each decodes as many turns together as
there are episodes. Look at the machine's load first.

``--edits`` puts an edit in the place of what the model says: one that has not learned the task says nothing that the
solver would be asked about, and the solver is to have its work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TypeVar

import torch
from rollout_cases.cases import Bare, Case, Rollout, Round, Workload
from rollout_cases.watched import EveryTurnAnEdit
from transformers import AutoTokenizer

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.dtypes import torch_dtype
from lit_grpo.engines.engine import SamplingSettings
from lit_grpo.engines.ranks import Ranks
from lit_grpo.engines.transformers.engine import TransformersEngine
from lit_grpo.engines.vllm.engine import VllmEngine
from lit_grpo.engines.vllm.servers import Child
from lit_grpo.engines.vllm.settings import Capacity, ModelSettings, ServerSettings, require_vllm
from lit_grpo.engines.vllm.weights_folder import WeightsFolder
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.environment.solver.workers import SolverSettings, WorkerSolver
from lit_grpo.modules.policy import load_policy
from lit_grpo.rollout.settings import PlaySettings

HEAD = (
    "| case | tokens/s (of vLLM alone) | s, least and most | in flight | contexts run | waiting, solver, s "
    "| CPU s: training, solver, vLLM |\n|---|---|---|---|---|---|---|"
)
SomeCase = TypeVar("SomeCase", bound=Case)
CASES = ("barrier", "no_cache", "bare", "transformers")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tiny-base"))
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--max-completion-tokens", type=int, default=32)
    parser.add_argument("--max-steps", type=int, default=5)
    parser.add_argument("--kv-cache-gib", type=float, default=Capacity().kv_cache_gib)
    parser.add_argument("--edits", action="store_true", help="every turn counts as an edit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", nargs="*", choices=CASES, default=CASES, help="cases beside the vLLM engine")
    arguments = parser.parse_args()
    require_vllm()
    torch.set_num_threads(1)
    workload = workload_of(arguments)
    cases: list[Case] = []
    try:
        rounds = measured(arguments, workload, cases)
    finally:
        for case in cases:
            case.close()
        workload.solver.close()
    print_table(cases, rounds)


def workload_of(arguments: argparse.Namespace) -> Workload:
    """Tiny programs, compact observations."""
    solver = HighsSolver()
    settings = TaskSettings(size=ProgramSize.TINY)
    tasks: list[Task] = [generate_task(settings, Split.TRAIN, 0, index, solver) for index in range(arguments.tasks)]
    rules = EpisodeSettings(
        max_turns=arguments.max_turns, undo_if_still_infeasible=True, style=ObservationStyle.COMPACT
    )
    conversation = EveryTurnAnEdit if arguments.edits else ConversationFormat
    return Workload(
        policy=load_policy(arguments.checkpoint, dtype=torch_dtype(arguments.dtype)),
        tasks=tasks,
        conversation=conversation(AutoTokenizer.from_pretrained(arguments.checkpoint)),
        settings=PlaySettings(
            group_size=arguments.group_size,
            sampling=SamplingSettings(1.0, arguments.max_completion_tokens),
            episode=rules,
        ),
        solver=WorkerSolver(SolverSettings()),
        all_end=arguments.edits,
    )


def measured(arguments: argparse.Namespace, workload: Workload, cases: list[Case]) -> list[list[Round]]:
    """For each case its rounds; fills in the cases."""
    first = begun(served("vLLM", arguments, workload), cases)
    if "barrier" in arguments.beside:
        # Its server is warm.
        cases.append(Rollout("vLLM, barrier after each turn", first.engine, workload, first.server, barrier=True))
    if "no_cache" in arguments.beside:
        begun(served("vLLM, no prefix cache", arguments, workload, prefix_cache=False), cases)
    if "transformers" in arguments.beside:
        engine = TransformersEngine(workload.policy.model, workload.conversation.stop_ids)
        begun(Rollout("transformers", engine, workload), cases)
    if "bare" in arguments.beside:
        begun(Bare(*model_and_capacity(arguments), first.turns), cases)
    rounds = [[timed(case) for case in cases] for _ in range(arguments.rounds)]
    return [list(of_case) for of_case in zip(*rounds, strict=True)]


def begun(case: SomeCase, cases: list[Case]) -> SomeCase:
    """One more case, after a round to warm up."""
    cases.append(case)
    case.round()
    return case


def timed(case: Case) -> Round:
    """A round that counts; says so meanwhile."""
    found = case.round()
    print(f"{case.name}: {found.seconds:.2f} s, {found.tokens_per_s:.0f} tokens/s", file=sys.stderr, flush=True)
    return found


def served(name: str, arguments: argparse.Namespace, workload: Workload, prefix_cache: bool = True) -> Rollout:
    """Rollouts with a server of their own."""
    model, capacity = model_and_capacity(arguments)
    settings = ServerSettings(model, replace(capacity, prefix_cache=prefix_cache))
    server = Child(settings)
    weights = WeightsFolder(settings.weights_folder, None, Ranks())
    return Rollout(name, VllmEngine([server], workload.conversation.stop_ids, weights), workload, server)


def model_and_capacity(arguments: argparse.Namespace) -> tuple[ModelSettings, Capacity]:
    """Of every vLLM."""
    capacity = Capacity(max_sequences=arguments.tasks * arguments.group_size, kv_cache_gib=arguments.kv_cache_gib)
    return ModelSettings(arguments.checkpoint, arguments.dtype), capacity


def print_table(cases: Sequence[Case], rounds: Sequence[Sequence[Round]]) -> None:
    """One line per case, of medians."""
    print(f"{median(of.num_tokens for of in rounds[0]):.0f} tokens per round")
    print(HEAD)
    rates = {case.name: median(of.tokens_per_s for of in those) for case, those in zip(cases, rounds, strict=True)}
    for case, those in zip(cases, rounds, strict=True):
        share = f" ({rates[case.name] / rates[Bare.name]:.0%})" if Bare.name in rates else ""
        cells = [
            case.name,
            f"{rates[case.name]:.0f}{share}",
            f"{min(of.seconds for of in those):.2f} to {max(of.seconds for of in those):.2f}",
            f"{median(of.in_flight for of in those):.1f}",
            f"{median(of.num_run for of in those):.0f}",
            f"{median(of.waited_s for of in those):.2f}, {median(of.solver_s for of in those):.2f}",
            f"{median(of.own_cpu_s for of in those):.2f}, {median(of.solver_cpu_s for of in those):.2f}, "
            f"{median(of.server_cpu_s for of in those):.2f}",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
