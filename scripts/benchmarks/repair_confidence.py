"""How far predict's confidence can be trusted: ``python scripts/benchmarks/repair_confidence.py POLICY``.

Puts generated held-out programs, whose originals are known, to a policy as `lit-grpo predict` does: explain's
candidates and eight attempts, ranked by likelihood. A repair is right if it makes the program the original again (the
verdict's word). The threshold is chosen on validation tasks; the tables are of test tasks. Also counts how many
sentences about a fault are named as broken, and how many that are not. Programs have two variables and edits are taken
back, as in the quickstart, or, with `--real-size`, are those of that study with edits that persist.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lit_grpo.data.conversation import read_conversation
from lit_grpo.data.splits import Split
from lit_grpo.data.task import Task, TaskSettings, generate_task
from lit_grpo.engines.policy_engine import PolicyEngine
from lit_grpo.engines.settings import TransformersSettings
from lit_grpo.environment.domains.base import ProgramSize
from lit_grpo.environment.episodes.faithful import is_faithful
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.programs.files import program_to_mps_text
from lit_grpo.environment.programs.reading.program_file import read_program_text
from lit_grpo.environment.repairs.broken_sentences import broken_sentences
from lit_grpo.environment.solver.solver import Solver
from lit_grpo.explain.explain import explain, make_solver
from lit_grpo.explain.explanation import ExplainSettings
from lit_grpo.metrics.reliability import Claim, abstention, calibration_error, least_threshold, reliability
from lit_grpo.modules.policy import load_policy
from lit_grpo.modules.served_policy import ServedPolicy
from lit_grpo.repair.attempts import AskedPolicy
from lit_grpo.repair.prediction import RepairSettings, predict

EDGES = (0.0, 0.05, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0)
THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Programs:
    """What is generated, and by which rules it is played."""

    settings: TaskSettings
    rules: EpisodeSettings
    max_tokens: int
    """Of a turn."""


TINY = Programs(
    TaskSettings(size=ProgramSize.TINY),
    EpisodeSettings(undo_if_still_infeasible=True, style=ObservationStyle.COMPACT),
    max_tokens=24,
)
"""The quickstart's."""
REAL_SIZE = Programs(
    TaskSettings(size=None, difficulties={Difficulty.EASY: 0.5, Difficulty.MEDIUM: 0.4, Difficulty.HARD: 0.1}),
    EpisodeSettings(undo_if_still_infeasible=False, style=ObservationStyle.COMPACT),
    max_tokens=32,
)
"""Those of configs/real_size/base.yaml and configs/predict.yaml."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A task: the policy's first repair, and explain's."""

    claim: Claim
    """Of the likeliest repair; confidence 0 where there is none."""
    is_listed_right: bool
    """Whether explain's first candidate is right."""
    is_among: bool
    """Whether any repair is right."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("policy", type=Path, help="folder of the policy")
    parser.add_argument("--num-tasks", type=int, default=300, help="of each split (default: %(default)s)")
    parser.add_argument("--accuracy", type=float, default=0.95, help="that the threshold is chosen for")
    parser.add_argument("--without-text", action="store_true", help="the policy and the list see the algebra alone")
    parser.add_argument("--real-size", action="store_true", help="programs of 5 to 25 variables")
    options = parser.parse_args()
    programs = REAL_SIZE if options.real_size else TINY
    served, solver = ServedPolicy(load_policy(options.policy), options.policy, version=0), make_solver()
    engine = PolicyEngine(TransformersSettings())
    scores = partial(served.continuation_logprobs, microbatch_tokens=8192)
    policy = AskedPolicy(engine.current(served), read_conversation(options.policy), scores, programs.max_tokens)
    splits = Split.VALIDATION, Split.TEST
    tasks = {split: held_out(programs.settings, split, options.num_tasks, solver) for split in splits}
    judged: dict[Split, list[Judged]] = {}
    for split, some in tasks.items():
        start = time.process_time()
        judged[split] = [judge(task, policy, programs.rules, solver, not options.without_text) for task in some]
        print(f"{split.value}: {len(some)} tasks, {time.process_time() - start:.0f} s of CPU", flush=True)
    chosen = least_threshold([one.claim for one in judged[Split.VALIDATION]], options.accuracy, THRESHOLDS)
    print(f"\nleast threshold for {options.accuracy:.0%} right on validation tasks: {chosen}\n")
    show(judged[Split.TEST])
    show_sentences(tasks[Split.TEST])
    engine.close()


def held_out(settings: TaskSettings, split: Split, num_tasks: int, solver: Solver) -> list[Task]:
    """Tasks that no training has."""
    return [generate_task(settings, split, 0, index, solver) for index in range(num_tasks)]


def judge(task: Task, policy: AskedPolicy, rules: EpisodeSettings, solver: Solver, with_text: bool) -> Judged:
    """Put a task to the policy as a user's file is."""
    file = read_program_text(program_to_mps_text(task.problem.program), ".mps", "task.mps")
    found = explain(file, task.problem.specification if with_text else None, ExplainSettings(), solver)
    # With no threshold the likeliest is first.
    prediction = predict(found, policy, rules, solver, RepairSettings(min_confidence=0.0), seed=0)
    right = [is_faithful(repair.program, task.fault.original, solver) for repair in prediction.repairs]
    first = prediction.recommended
    claim = Claim(0.0, False) if first is None or first.confidence is None else Claim(first.confidence, right[0])
    listed = [is_right for repair, is_right in zip(prediction.repairs, right, strict=True) if repair.position == 1]
    return Judged(claim, any(listed), any(right))


def show(judged: Sequence[Judged]) -> None:
    """The reliability table, what each threshold leaves, and what the list does without a policy."""
    claims = [one.claim for one in judged]
    bins = reliability(claims, EDGES)
    print("| confidence | tasks | mean | right |\n|:---|---:|---:|---:|")
    for one in bins:
        print(f"| {one.low:g} to {one.high:g} | {one.count} | {one.mean_confidence:.2f} | {one.share_right:.2f} |")
    print(f"\nexpected calibration error {calibration_error(bins):.2f}\n")
    print("| threshold | coverage | right, of these | first of the list right, of the others |\n|---:|---:|---:|---:|")
    for threshold in THRESHOLDS:
        left = abstention(claims, threshold)
        others = [one.is_listed_right for one in judged if one.claim.confidence < threshold]
        accuracy = "" if left.accuracy is None else f"{100 * left.accuracy:.1f}"
        print(f"| {threshold:g} | {100 * left.coverage:.1f} | {accuracy} | {share(others)} |")
    print(
        f"\nright of all: the policy's first {share([claim.is_right for claim in claims])}, the list's first "
        f"{share([one.is_listed_right for one in judged])}, any {share([one.is_among for one in judged])}\n"
    )


def show_sentences(tasks: Sequence[Task]) -> None:
    """Sentences that are named as broken: of the originals, where none is, and of the elements at fault."""
    total = wrong = at_fault = named = 0
    for task in tasks:
        text, program = task.problem.specification, task.problem.program
        assert text is not None, "generated tasks have a text"
        total += len(text.sentences)
        wrong += len(broken_sentences(task.fault.original, program, text))
        broken = {sentence.about for sentence in broken_sentences(program, program, text)}
        culprits = {sentence.about for sentence in text.sentences} & set(task.fault.faulty_elements)
        at_fault += len(culprits)
        named += len(culprits & broken)
    print(f"sentences: {wrong} of {total} named that are not broken, {named} of {at_fault} about a fault named")


def share(flags: Sequence[bool]) -> str:
    """In percent; empty for none."""
    return f"{100 * sum(flags) / len(flags):.1f}" if flags else ""


if __name__ == "__main__":
    main()
