# pyright: reportMissingImports=false
"""Tokens per second of whole rollouts, solver included: ``python scripts/benchmark_rollouts.py --tasks 16``.

The same tasks, seeds and settings with the vLLM engine, with a barrier after every turn, without the prefix cache, and
with the transformers engine; then vLLM alone (``LLM.generate``) on the very contexts and lengths of the first. "In
flight" is the mean number of turns that the engine works on, over the time of the rollout. Each case runs once to warm
up and then ``--rounds`` times; the best counts. Other load on the machine matters: look at it first.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor
from transformers import AutoTokenizer

from lit_grpo.data.conversation import ConversationFormat
from lit_grpo.data.task import Split, Task, TaskSettings, generate_task
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episode_record import EpisodeSettings
from lit_grpo.environment.highs import HighsSolver
from lit_grpo.environment.observation import ObservationStyle
from lit_grpo.environment.solver_workers import SolverSettings, WorkerSolver
from lit_grpo.modules.policy import CausalPolicy, load_policy
from lit_grpo.rollout.collect import RolloutSettings, collect_groups
from lit_grpo.rollout.engine import Completion, GenerationRequest, RolloutEngine, SamplingSettings
from lit_grpo.rollout.transformers_engine import TransformersEngine
from lit_grpo.rollout.vllm_engine.engine import VllmEngine
from lit_grpo.rollout.vllm_engine.servers import Child
from lit_grpo.rollout.vllm_engine.settings import Capacity, ModelSettings, ServerSettings, require_vllm
from lit_grpo.rollout.vllm_engine.weights_folder import Ranks, WeightsFolder
from lit_grpo.rollout.weights import full_weights


class Watched:
    """An engine whose turns are counted; with ``barrier``, no turn comes back before all that were asked for do."""

    def __init__(self, engine: RolloutEngine, barrier: bool = False) -> None:
        self._engine, self._barrier = engine, barrier
        self._num_owed, self._since, self.turn_seconds = 0, time.perf_counter(), 0.0
        self.asked: dict[tuple[int, int], tuple[int, ...]] = {}
        self.requests: list[tuple[tuple[int, ...], int]] = []
        self._context_of: dict[int, tuple[int, ...]] = {}

    @property
    def max_context_tokens(self) -> int:
        """As the engine's."""
        return self._engine.max_context_tokens

    def submit(self, request: GenerationRequest, sampling: SamplingSettings) -> None:
        """As the engine's."""
        self._engine.submit(request, sampling)
        self._context_of[request.conversation] = request.token_ids
        self._count(1)

    def wait(self) -> Sequence[Completion]:
        """As the engine's."""
        done = list(self._engine.wait())
        while self._barrier and len(done) < self._num_owed:
            done += self._engine.wait()
        self._count(-len(done))
        self.requests += [(self._context_of[each.conversation], len(each.token_ids)) for each in done]
        return done

    def release(self) -> None:
        """As the engine's."""
        self._engine.release()

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], policy_version: int) -> None:
        """As the engine's."""
        self._engine.update_weights(weights, policy_version)

    def _count(self, change: int) -> None:
        now = time.perf_counter()
        self.turn_seconds += self._num_owed * (now - self._since)
        self._since, self._num_owed = now, self._num_owed + change


@dataclass(frozen=True, slots=True)
class Workload:
    """What is played."""

    tasks: list[Task]
    conversation: ConversationFormat
    settings: RolloutSettings
    solver: WorkerSolver


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/tiny-base"))
    parser.add_argument("--tasks", type=int, default=16)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--max-completion-tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-transformers", action="store_true")
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    require_vllm()
    if arguments.bare is not None:
        print(json.dumps(bare(arguments.checkpoint, json.loads(arguments.bare.read_text()), arguments.rounds)))
        return
    policy = load_policy(arguments.checkpoint)
    workload = make_workload(arguments)
    with served(policy, arguments.checkpoint, workload, prefix_cache=True) as engine:
        requests = report("vLLM", engine, workload, arguments.rounds)
        report("vLLM, barrier after each turn", engine, workload, arguments.rounds, barrier=True)
    with served(policy, arguments.checkpoint, workload, prefix_cache=False) as engine:
        report("vLLM, no prefix cache", engine, workload, arguments.rounds)
    report_bare(arguments, requests)
    if not arguments.without_transformers:
        engine = TransformersEngine(policy.model, workload.conversation.stop_ids)
        report("transformers", engine, workload, arguments.rounds)
    workload.solver.close()


def make_workload(arguments: argparse.Namespace) -> Workload:
    """Tiny programs, compact observations."""
    solver = HighsSolver()
    tasks = [
        generate_task(TaskSettings(size=ProgramSize.TINY), Split.TRAIN, 0, index, solver)
        for index in range(arguments.tasks)
    ]
    episode = EpisodeSettings(undo_if_still_infeasible=True, style=ObservationStyle.COMPACT)
    sampling = SamplingSettings(1.0, arguments.max_completion_tokens)
    settings = RolloutSettings(group_size=arguments.group_size, sampling=sampling, episode=episode)
    conversation = ConversationFormat(AutoTokenizer.from_pretrained(arguments.checkpoint))
    return Workload(tasks, conversation, settings, WorkerSolver(SolverSettings()))


@contextmanager
def served(policy: CausalPolicy, checkpoint: Path, workload: Workload, prefix_cache: bool) -> Iterator[VllmEngine]:
    """The engine with the policy's weights."""
    settings = ServerSettings(ModelSettings(checkpoint), Capacity(prefix_cache=prefix_cache))
    weights = WeightsFolder(settings.weights_folder, None, Ranks())
    engine = VllmEngine([Child(settings)], workload.conversation.stop_ids, weights)
    try:
        engine.update_weights(full_weights(policy.model), 0)
        yield engine
    finally:
        engine.close()


def report(
    name: str, engine: RolloutEngine, workload: Workload, rounds: int, barrier: bool = False
) -> list[tuple[tuple[int, ...], int]]:
    """Play, print, and return the turns of the best round: contexts and numbers of tokens."""
    best_s, best = float("inf"), Watched(engine)
    for number in range(rounds + 1):
        watched, started = Watched(engine, barrier), time.perf_counter()
        collect_groups(
            workload.tasks, watched, workload.solver, workload.conversation, workload.settings, run_seed=0, step=0
        )
        seconds = time.perf_counter() - started
        if number and seconds < best_s:
            best_s, best = seconds, watched
    tokens = sum(count for _, count in best.requests)
    print(
        f"{name}: {best_s:.2f} s, {len(best.requests)} turns, {tokens} tokens, "
        f"{tokens / best_s:.0f} tokens per second, {best.turn_seconds / best_s:.1f} turns in flight",
        flush=True,
    )
    return best.requests


def report_bare(arguments: argparse.Namespace, requests: Sequence[tuple[tuple[int, ...], int]]) -> None:
    """vLLM alone, in a process of its own."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "requests.json"
        file.write_text(json.dumps(requests))
        command = [sys.executable, __file__, "--checkpoint", str(arguments.checkpoint), "--bare", str(file)]
        command += ["--rounds", str(arguments.rounds)]
        output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    seconds = json.loads(output.splitlines()[-1])
    tokens = sum(count for _, count in requests)
    print(
        f"vLLM alone, the same turns all at once: {seconds:.2f} s, {tokens / seconds:.0f} tokens per second", flush=True
    )


def bare(checkpoint: Path, requests: Sequence[tuple[Sequence[int], int]], rounds: int) -> float:
    """Seconds of the best round of ``LLM.generate``, with log-probs.

    Without a seed for each request: vLLM's own fail on a CPU as soon as a prompt is run in two portions.
    """
    os.environ |= {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "TORCHDYNAMO_DISABLE": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    from vllm import LLM, SamplingParams
    from vllm.inputs import TokensPrompt

    llm = LLM(
        model=str(checkpoint),
        skip_tokenizer_init=True,
        dtype="float32",
        enforce_eager=True,
        block_size=32,
        kv_cache_memory_bytes=2**30,
        max_num_seqs=256,
        max_num_batched_tokens=4096,
    )
    prompts = [TokensPrompt(prompt_token_ids=list(context)) for context, _ in requests]
    params = [
        SamplingParams(temperature=1.0, max_tokens=count, logprobs=0, ignore_eos=True, detokenize=False)
        for _, count in requests
    ]
    best = float("inf")
    for number in range(rounds + 1):
        llm.reset_prefix_cache()
        started = time.perf_counter()
        llm.generate(prompts, params, use_tqdm=False)
        if number:
            best = min(best, time.perf_counter() - started)
    return best


if __name__ == "__main__":
    main()
