"""The study of real size, with arms that leave their files without training.

1. The gate plays validation tasks alone, at the checkpoint that was chosen, and says by the plan's numbers whether it
   is passed.
2. The claim trains the seeds of the plan and plays each seed's own share of the test tasks, none of which another has;
   margins and intervals are held against the plan, and compute against compute. So are the arms beyond the claim.
3. Once arms are trained the plan is fixed, their device included; seeds that are not of it are refused, a base that is
   not there, results without the weights that an arm is to go on from, and results of different versions. No test task
   is played without a gate that is passed, by the configs and from the base that are there now; one whose results alone
   are there is not run again.
4. When the time is up it says what is left and begins no further step, and a later call reports.
5. What is compared is trained, and each arm behind its start; the gate and the claim have the same arms; every arm
   parses, with the smoke run's sizes and those of the GPU as well, looks at validation tasks as often as those that it
   is compared with, and never draws tasks of another's demonstrations.
6. The page has the plan, what each step came to, and what has not been run; a headline has the claim in short, which
   one seed of several does not meet.
7. `--verify` plays tasks of the seed that it is given, with both policies, and says the paired difference; without the
   policies it says which are missing. `--ship` writes those of the gate, or of a seed that has been tested, in
   bfloat16.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from safetensors.torch import load_file
from scripted_scores import score

from lit_grpo.cli import main as fit
from lit_grpo.commands.main import main
from lit_grpo.data.benchmark import write_benchmark
from lit_grpo.data.contract import ContractError
from lit_grpo.data.played import GeneratedTasks, Played
from lit_grpo.data.splits import Split
from lit_grpo.data.suite import STUDY_KINDS, SuiteSettings
from lit_grpo.data.suite_maker import Report
from lit_grpo.data.task import TaskSettings, generate_task
from lit_grpo.environment.episodes.record import StopReason
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.environment.policies.baselines import DropFirst
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.experiments import baselines, real_size, real_size_verify
from lit_grpo.experiments.arm_run import ArmRun
from lit_grpo.experiments.arms import Arm
from lit_grpo.experiments.best_arm import CRITERION
from lit_grpo.experiments.final_evaluation import EvaluationSettings
from lit_grpo.experiments.fit_record import FitRecord
from lit_grpo.experiments.processes import Ended, Processes
from lit_grpo.experiments.reading_weights import NUM_FIXED
from lit_grpo.experiments.real_size import EPISODE, RealSizeStudy, is_gate_kept, make_test_tasks, run_step
from lit_grpo.experiments.real_size_arms import STEPS, with_starts
from lit_grpo.experiments.real_size_plan import PLAN, require_gate
from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.functional import Quantity
from lit_grpo.metrics.records import ScoredTask
from lit_grpo.metrics.results import results_of, write_run
from lit_grpo.modules.policy import load_policy
from lit_grpo.presets import CONFIGS
from lit_grpo.reports import real_size as report_of_step
from lit_grpo.reports import real_size_page
from lit_grpo.reports.real_size_page import PARTS, write_page
from lit_grpo.reports.study_page import HEADLINE, RESULTS

SMALL_PLAN = replace(PLAN, seeds=(7, 8), tasks_per_cell=2)
VALIDATION = Played(GeneratedTasks(TaskSettings(difficulties={Difficulty.EASY: 1.0}), Split.VALIDATION, 0, 9), EPISODE)
EASY = [
    generate_task(TaskSettings(difficulties={Difficulty.EASY: 1.0}), Split.TEST, 0, index, HighsSolver())
    for index in range(12)
]
OF_TEN = {"sft": 3, "sft_compute_matched": 3, "sft_grpo": 9}
"""Tasks that an arm repairs, of ten."""
CPU_S = {"sft": 50.0, "sft_compute_matched": 110.0, "sft_grpo": 100.0}
ALL_ARMS = {arm.name: arm for step in STEPS.values() for arm in step.arms}
MOVE = '{"action": "set_sense", "row": "cap", "sense": "<="}'


def play(folder: Path, played: Played, of_ten: int) -> None:
    tasks = played.read_tasks()
    scored = [ScoredTask.of(task, StopReason.RECOVERED, score(index % 10 < of_ten)) for index, task in enumerate(tasks)]
    write_run(folder, scored, results_of(scored), played=played)
    lines = [json.dumps({"kind": task.fault.kind.value, "turns": [{"text": MOVE}]}) for task in tasks]
    (folder / "episodes.jsonl").write_text("\n".join(lines) + "\n")


def untrained(run: ArmRun, arm: Arm, processes: Processes) -> None:
    folder = run.folder(arm.name)
    # The best checkpoint is the second; at the last one nothing is repaired.
    for batch, of_ten in ((0, 0), (2, OF_TEN[arm.name]), (4, 0)):
        play(folder / "validation" / f"batch_{batch:06d}", VALIDATION, of_ten)
    (folder / "metrics.csv").write_text(f"batch,train/tokens,{CRITERION}\n0,,0.9\n2,10,0.6\n4,10,0.5\n")
    FitRecord().begin().end(Ended(0, CPU_S[arm.name], 1.0), is_done=True).write(folder)
    (folder / "compute.json").write_text('{"fit_cpu_s": 9.0, "fit_wall_s": 9.0}')
    if run.is_tested:
        play(folder, Played(run.benchmark, EPISODE), OF_TEN[arm.name])


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ArmRun, "run", untrained)
    monkeypatch.setattr(real_size, "INTERVALS", BootstrapSettings(num_replicates=50))
    monkeypatch.setattr(baselines, "BASELINES", (DropFirst(),))
    # Drawn by the smoke run, in tests/end_to_end.
    monkeypatch.setattr(report_of_step, "draw_arms", lambda comparison, path: None)
    monkeypatch.setattr(report_of_step, "draw_final", lambda cells, path: None)


def a_study(root: Path, base: Path) -> RealSizeStudy:
    return RealSizeStudy(root, base, SMALL_PLAN, num_jobs=1, threads=1)


def run(study: RealSizeStudy, name: str) -> str:
    said = io.StringIO()
    run_step(study, STEPS[name], study.plan.seeds, Console(file=said, width=200))
    return said.getvalue()


def met(document: dict[str, dict[str, dict[str, list[dict[str, object]]]]], name: str) -> list[object]:
    return [condition["is_met"] for condition in document["about"]["conditions"][name]]


def test_1_the_gate(tmp_path: Path, tiny_checkpoint: Path) -> None:
    run(a_study(tmp_path, tiny_checkpoint), "gate")
    document = json.loads((tmp_path / "gate.json").read_text())
    # Of nine tasks 3, 3 and 9 are repaired.
    values = {name: arm["metrics"]["FR@5"] for name, arm in document["comparison"]["arms"].items()}
    assert values == {"sft": pytest.approx(1 / 3), "sft_compute_matched": pytest.approx(1 / 3), "sft_grpo": 1.0}
    assert met(document, "gate") == [True, True]
    assert met(document, "equal_compute") == [True]
    assert document["about"]["seeds"] == [PLAN.gate_seed]
    assert document["about"]["tasks"] == "validation"
    assert sum(document["first_moves"]["sft"][kind]["set_sense"] for kind in document["first_moves"]["sft"]) == 9
    assert [*document["comparison"]["baselines"]] == ["drop-first"]
    assert not (tmp_path / "test").exists()
    # The attempts are large; without them, the report is made of what is left.
    (tmp_path / "gate.json").unlink()
    for attempts in tmp_path.rglob("episodes.jsonl"):
        attempts.unlink()
    run(a_study(tmp_path, tiny_checkpoint), "gate")
    assert json.loads((tmp_path / "gate.json").read_text()) == document


def test_2_and_3_the_claim(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of six tasks 0 and 6 are repaired.
    monkeypatch.setitem(OF_TEN, "sft_compute_matched", 0)
    study = a_study(tmp_path, tiny_checkpoint)
    for seed, tasks in zip(SMALL_PLAN.seeds, (EASY[:6], EASY[6:]), strict=True):
        (tmp_path / "test").mkdir(exist_ok=True)
        write_benchmark(tmp_path / "test" / f"seed_{seed}.jsonl", tasks)
    # What one seed of two comes to is not the claim.
    run_step(study, STEPS["claim"], SMALL_PLAN.seeds[:1], Console(file=io.StringIO()))
    one_seed = json.loads((tmp_path / "claim.json").read_text())
    assert met(one_seed, "claim") == [False] + 9 * [True]
    assert one_seed["about"]["conditions"]["claim"][0]["got"] == 0.5
    # Whichever seeds are asked for, all that are done are reported.
    run_step(study, STEPS["claim"], SMALL_PLAN.seeds[1:], Console(file=io.StringIO()))
    document = json.loads((tmp_path / "claim.json").read_text())
    assert document["about"]["seeds"] == [*SMALL_PLAN.seeds]
    assert document["comparison"]["tasks"] == 12
    assert document["study_cells"]["tasks"] == sum(task.fault.kind in STUDY_KINDS for task in EASY)
    # Both seeds are there; FR@5 and FR@1 of two parts: the margin over both seeds, and the interval in each.
    # Both seeds are there; margins and intervals; the compute of each seed.
    assert len(met(document, "claim")) == 1 + 12 + 2
    assert all(met(document, "claim"))
    assert met(document, "equal_compute") == [True, True]
    assert document["about"]["plan"]["claim_margin"] == 0.1
    assert set(document["about"]["plan"]["configs"]) >= {"real_size/base", "real_size/grpo"}

    with pytest.raises(ValueError, match=r"claim_plan\.json: expected the plan that its arms were trained under"):
        run(replace(study, plan=replace(SMALL_PLAN, claim_margin=0.05)), "claim")
    for other in (replace(study, threads=2), replace(study, accelerator="gpu"), replace(study, is_smoke=True)):
        with pytest.raises(ValueError, match=r"claim_plan\.json: expected the plan"):
            run(other, "claim")
    with pytest.raises(ValueError, match=r"--seeds: expected those of the plan, \(7, 8\), got \[3\]"):
        run_step(study, STEPS["claim"], (3, 7), Console(file=io.StringIO()))


def test_2_the_test_tasks_are_dealt_out(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(folder: Path, settings: SuiteSettings, num_workers: int, report: Report) -> None:
        folder.mkdir(parents=True)
        assert settings.seed == PLAN.suite_seed
        for cell in settings.cells:
            lines = [f"{cell.kind} {cell.difficulty} {number}\n" for number in range(settings.num_tasks)]
            (folder / cell.file_name).write_text("".join(lines))

    monkeypatch.setattr(real_size, "make_suite", made)
    study = RealSizeStudy(tmp_path, tiny_checkpoint, PLAN, num_jobs=1, threads=1)
    make_test_tasks(study)
    parts = [(tmp_path / "test" / f"seed_{seed}.jsonl").read_text().splitlines() for seed in PLAN.seeds]
    assert len({line for part in parts for line in part}) == 27 * 200
    of_cell = [Counter(line.rpartition(" ")[0] for line in part) for part in parts]
    assert [set(counts.values()) for counts in of_cell] == [{67}, {67}, {66}]
    make_test_tasks(study)  # a second time makes nothing


def test_2_less_compute_and_less_gain_are_not_met(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OF_TEN, "sft_grpo", 3)
    monkeypatch.setitem(OF_TEN, "sft_compute_matched", 6)
    monkeypatch.setitem(CPU_S, "sft_compute_matched", 99.0)
    run(a_study(tmp_path, tiny_checkpoint), "gate")
    document = json.loads((tmp_path / "gate.json").read_text())
    assert met(document, "gate") == [False, False]
    assert met(document, "equal_compute") == [False]


@pytest.mark.parametrize(("matched", "is_met"), [(0, True), (9, False)])
def test_2_beyond_demonstrations_of_ever_new_tasks(
    matched: int, is_met: bool, tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ALL_ARMS:
        monkeypatch.setitem(OF_TEN, name, 0)
        monkeypatch.setitem(CPU_S, name, 100.0)
    monkeypatch.setitem(OF_TEN, "sft_fresh_grpo", 9)
    monkeypatch.setitem(OF_TEN, "sft_fresh_matched", matched)
    monkeypatch.setitem(CPU_S, "sft_dagger", 90.0)
    (tmp_path / "test").mkdir()
    for seed, tasks in zip(SMALL_PLAN.seeds, (EASY[:6], EASY[6:]), strict=True):
        write_benchmark(tmp_path / "test" / f"seed_{seed}.jsonl", tasks)
    run(a_study(tmp_path, tiny_checkpoint), "fresh")
    document = json.loads((tmp_path / "fresh.json").read_text())
    # Of each of three arms both seeds.
    assert met(document, "equal_compute") == [True, True, False, False, True, True]
    # Both seeds, and convergence; FR@5 and FR@1, above more of the same and above DAgger; the compute of these two.
    assert met(document, "beyond") == [True, is_met, is_met, is_met, True, True, True, True, False, False]


def test_3_a_base_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["study", "real-size", "--base", str(tmp_path / "none"), "--output", str(tmp_path / "study")]
    assert main(words) == 2
    assert "--base: expected the folder of the small base, got" in capsys.readouterr().err


def test_3_results_without_the_weights_to_go_on_from(tmp_path: Path, tiny_checkpoint: Path) -> None:
    study = a_study(tmp_path, tiny_checkpoint)
    run(study, "gate")
    (tmp_path / "gate" / "arms" / "sft_grpo" / "fit.json").unlink()
    with pytest.raises(ValueError, match=r"sft_grpo: expected the weights of sft, .*sft/policy, got its results alone"):
        run(study, "gate")


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        (None, "expected the results of the gate, got none; run `lit-grpo study real-size --step gate`"),
        ([(True, "little", 0.01), (False, "much", 0.02)], "expected a gate that is passed .* got much: 0.02; find out"),
    ],
)
def test_3_no_test_task_is_played_without_a_gate_that_is_passed(
    gate: list[tuple[bool, str, float]] | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if gate is not None:
        conditions = [{"is_met": is_met, "text": text, "got": got} for is_met, text, got in gate]
        about = {"is_smoke": False, "conditions": {"gate": conditions}}
        (tmp_path / "gate.json").write_text(json.dumps({"about": about}))
    assert main(["study", "real-size", "--step", "claim", "--output", str(tmp_path)]) == 2
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "test").exists()


def test_3_a_gate_is_not_passed_by_arms_that_were_trained_otherwise(tmp_path: Path, tiny_checkpoint: Path) -> None:
    study = a_study(tmp_path, tiny_checkpoint)
    run(study, "gate")
    before = (tmp_path / "gate.json").read_text()
    with pytest.raises(ValueError, match=r"gate_plan\.json: expected the plan that its arms were trained under"):
        run(replace(study, plan=replace(SMALL_PLAN, gate_rl_at_least=0.01)), "gate")
    assert (tmp_path / "gate.json").read_text() == before
    with pytest.raises(ValueError, match="from before a change of gate_rl_at_least; run"):
        require_gate(
            tmp_path / "gate.json",
            replace(study, plan=replace(SMALL_PLAN, gate_rl_at_least=0.01)).conditions(STEPS["gate"]),
        )
    document = json.loads(before)
    document["about"]["is_smoke"] = True
    (tmp_path / "gate.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="expected a gate in full, got that of a smoke run"):
        require_gate(tmp_path / "gate.json", study.conditions(STEPS["gate"]))


def test_3_a_gate_whose_results_alone_are_there_is_not_run_again(tmp_path: Path, tiny_checkpoint: Path) -> None:
    study = a_study(tmp_path, tiny_checkpoint)
    assert not is_gate_kept(study)
    run(study, "gate")
    assert not is_gate_kept(study)
    shutil.rmtree(tmp_path / "gate")
    assert is_gate_kept(study)
    assert not is_gate_kept(replace(study, plan=replace(SMALL_PLAN, gate_rl_at_least=0.01)))


def test_3_arms_of_different_versions_are_not_pooled(tmp_path: Path, tiny_checkpoint: Path) -> None:
    study = a_study(tmp_path, tiny_checkpoint)
    run(study, "gate")
    results = tmp_path / "gate" / "arms" / "sft" / "validation" / "batch_000002" / "results.json"
    document = json.loads(results.read_text())
    document["versions"]["verdict"] = 1
    results.write_text(json.dumps(document))
    with pytest.raises(ContractError, match="evaluate all that is to be compared with one release"):
        run(study, "gate")


def test_3_a_gate_that_was_passed_by_other_arms(tmp_path: Path, tiny_checkpoint: Path) -> None:
    run(a_study(tmp_path, tiny_checkpoint), "gate")
    gate, now = tmp_path / "gate.json", a_study(tmp_path, tiny_checkpoint).conditions(STEPS["gate"])
    require_gate(gate, now)
    with pytest.raises(ValueError, match="got one from before a change of the base; run"):
        require_gate(gate, now | {"base": "another"})
    changed = now | {"configs": now["configs"] | {"real_size/grpo": "another", "real_size/new": "1"}}
    with pytest.raises(ValueError, match="a change of real_size/grpo, real_size/new; run"):
        require_gate(gate, changed)


def test_4_the_time_is_up(tmp_path: Path, tiny_checkpoint: Path) -> None:
    study = a_study(tmp_path, tiny_checkpoint)
    said = run(replace(study, until=0.0), "gate")
    assert "Left of gate: seed 100: sft, seed 100: sft_compute_matched, seed 100: sft_grpo. Call again." in said
    assert not (tmp_path / "gate.json").exists()
    words = ["study", "real-size", "--smoke", "--step", "gate", "claim", "--base", str(tiny_checkpoint)]
    assert main([*words, "--output", str(tmp_path / "several"), "--minutes", "0.000001"]) == 0
    assert (tmp_path / "several" / "gate_plan.json").exists()
    assert not (tmp_path / "several" / "claim_plan.json").exists()
    run(study, "gate")
    (tmp_path / "gate.json").unlink()
    assert "policies without a model, gate" in run(replace(study, until=0.0), "gate")


def test_5_the_arms() -> None:
    assert STEPS["gate"].arms == STEPS["claim"].arms
    for step in STEPS.values():
        names = {arm.name for arm in step.arms}
        assert {name for pair in step.pairs for name in pair} <= names
        assert {name for pair in step.equal for name in pair} <= names
        trained = with_starts(step)
        assert all(arm.start is None or arm.start in {a.name for a in trained[:at]} for at, arm in enumerate(trained))


@pytest.mark.parametrize("name", ALL_ARMS)
def test_5_every_arm_parses(name: str) -> None:
    arm = ALL_ARMS[name]
    found = resolved(arm)
    data, trainer = found["data"]["init_args"], found["trainer"]
    assert data["tasks"]["kinds"] is None
    assert data["held_out"]["num_validation_tasks"] == 360
    assert found["episode"]["undo_if_still_infeasible"] is False
    assert found["model"]["init_args"]["policy"]["frozen_layers"] == NUM_FIXED
    evaluations = [c for c in trainer["callbacks"] if c["class_path"].endswith("RepairEvaluation")]
    assert [c["init_args"]["settings"]["guard_standard_errors"] for c in evaluations] == [1.0]
    if arm.start is not None:
        assert data["batches_per_epoch"] / trainer["val_check_interval"] == 2
    if arm.start == "sft_fresh":
        assert data["seed"] > 2 * max(PLAN.seeds) + 1
    small = resolved(arm, "real_size/gpu", "real_size/smoke")
    assert small["data"]["init_args"]["batches_per_epoch"] == 2
    assert small["trainer"]["accelerator"] == "gpu"
    stages = ((small["data"]["init_args"].get("curriculum") or {}).get("init_args") or {}).get("stages") or []
    drawn = small["data"]["init_args"]["tasks"]["difficulties"]
    assert all(difficulty.lower() in drawn for stage in stages for difficulty in stage["difficulties"])


def test_5_stages_end_with_the_run() -> None:
    found = resolved(ALL_ARMS["sft_grpo_staged"])["data"]["init_args"]
    stages = found["curriculum"]["init_args"]["stages"]
    assert [stage["name"] for stage in stages] == ["easy", "easy+medium", "medium+hard", "hard"]
    batches = sum(stage["promotion"]["num_batches"] for stage in stages[:-1])
    assert batches < found["batches_per_epoch"]


def test_5_fresh_demonstrations_are_as_many_as_the_others_see() -> None:
    batches = {
        name: resolved(ALL_ARMS[name])["data"]["init_args"]["batches_per_epoch"]
        for name in ("sft", "sft_compute_matched", "sft_fresh")
    }
    assert batches["sft_fresh"] == batches["sft"] + batches["sft_compute_matched"]
    shown = resolved(ALL_ARMS["sft_fresh"])["data"]["init_args"]["batch_size"] * batches["sft_fresh"]
    replay = resolved(ALL_ARMS["sft_fresh_grpo"])["data"]["init_args"]["replay"]
    assert replay["num_demonstrations"] == shown


def resolved(arm: Arm, *last: str) -> dict[str, Any]:
    configs = [f"--config={CONFIGS / name}.yaml" for name in (*arm.configs, *last[:1])]
    late = [f"--config={CONFIGS / name}.yaml" for name in last[1:]]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), pytest.raises(SystemExit) as ended:
        fit(["fit", *configs, *arm.arguments, *late, *arm.data.arguments(101), "--print_config"])
    assert ended.value.code == 0
    return yaml.safe_load(output.getvalue())


def test_6_the_page(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_size_page, "copy_figures", lambda root, figures, folder: None)
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{RESULTS.begin}\n{RESULTS.end}\n")
    write_page(tmp_path, page, SMALL_PLAN.to_json(STEPS["claim"].arms, tiny_checkpoint))
    before = page.read_text()
    assert "Claim, training seeds 7, 8: `sft_grpo` is at least 10 points above" in before
    assert "**Not run yet: gate, claim, fresh, curriculum, ablations.**" in before
    run(a_study(tmp_path, tiny_checkpoint), "gate")
    write_page(tmp_path, page, SMALL_PLAN.to_json(STEPS["claim"].arms, tiny_checkpoint))
    after = page.read_text()
    assert "**Gate: met.**" in after
    assert "- sft_grpo gains at least 5 points of FR@5 over sft: 0.667, met" in after
    assert "set_sense 100" in after
    assert re.findall("^#### (.*)$", after, re.MULTILINE) == list(PARTS.values())
    # The gate's cells are a figure; those of the final evaluation are tables.
    assert "FR@5 per kind and difficulty: percent" not in after
    assert "![FR@5 per kind and difficulty]" in after
    assert "**Not run yet: claim, fresh, curriculum, ablations.**" in after


def test_6_the_claim_in_short(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OF_TEN, "sft_compute_matched", 0)
    page, words = tmp_path / "page.md", ["study", "real-size", "--output", str(tmp_path), "--page"]
    page.write_text(f"# Title\n\n{HEADLINE.begin}\n{HEADLINE.end}\n\nAfter.\n")
    with pytest.raises(ValueError, match=r"page\.md: expected .*claim\.json for its headline, got none; run the claim"):
        write_page(tmp_path, page, {})
    (tmp_path / "test").mkdir()
    for seed, tasks in zip(SMALL_PLAN.seeds, (EASY[:6], EASY[6:]), strict=True):
        write_benchmark(tmp_path / "test" / f"seed_{seed}.jsonl", tasks)
    run(a_study(tmp_path, tiny_checkpoint), "claim")
    assert main([*words, str(page)]) == 0
    text = page.read_text()
    assert text.startswith(f"# Title\n\n{HEADLINE.begin}\n\n12 test tasks, training seeds 7, 8; one greedy episode")
    assert re.search(r"\| sft_grpo +\| 100\.0 ", text)
    assert re.search(r"\| sft_grpo − sft_compute_matched, all 27 cells \| +\+100\.0 ", text)
    assert re.search(r"\| sft_grpo − sft_compute_matched, A to D +\| +\+100\.0 ", text)
    assert text.endswith(
        f"**Equal compute: met.**\n\n**Demonstrations have converged: met.**\n\n{HEADLINE.end}\n\nAfter.\n"
    )
    assert main([*words, str(page)]) == 0
    assert page.read_text() == text


def test_7_verified(tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(folder: Path, settings: SuiteSettings, num_workers: int, report: Report) -> None:
        folder.mkdir(parents=True)
        assert (settings.kinds, settings.seed, settings.num_tasks) == (STUDY_KINDS, 5, 50)
        write_benchmark(folder / "tasks.jsonl", EASY)

    def played(
        suite: Path, checkpoints: Mapping[str, Path], output: Path, settings: EvaluationSettings, console: Console
    ) -> dict[str, Path]:
        assert settings.rules == EPISODE
        for name in checkpoints:
            play(output / name, Played(suite / "tasks.jsonl", settings.rules), OF_TEN[name])
        return {name: output / name for name in checkpoints}

    monkeypatch.setattr(real_size_verify, "make_suite", made)
    monkeypatch.setattr(real_size_verify, "evaluate_checkpoints", played)
    policies: dict[str, Path] = dict.fromkeys(("sft_compute_matched", "sft_grpo"), tiny_checkpoint)
    found = real_size_verify.verify(tmp_path, 5, 1, Console(file=io.StringIO()), policies)
    # Of twelve tasks 3 + 2 and 9 + 2 are repaired.
    (difference,) = found.pooled.differences.values()
    assert difference.overall[Quantity.FR_5].value == pytest.approx(6 / 12)
    assert json.loads((tmp_path / "comparison.json").read_text())["tasks"] == 12


def test_7_policies_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(
        ValueError, match=r"--verify: expected the policies that the study ships, got none in .*nowhere"
    ):
        real_size_verify.verify(tmp_path, 0, 1, Console(), {"sft_grpo": tmp_path / "nowhere"})
    assert main(["study", "real-size", "--verify", "--seeds", "1", "2"]) == 2
    assert "--seeds: expected one seed with --verify, got 2" in capsys.readouterr().err


@pytest.mark.parametrize("seed", [None, 7], ids=["gate", "claim"])
def test_7_the_policies_of_a_seed_are_shipped(
    seed: int | None, tmp_path: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["study", "real-size", "--output", str(tmp_path), "--ship", str(tmp_path / "shipped")]
    assert main([*command, "--seeds", "1", "2"]) == 2
    assert "--seeds: expected at most one seed with --ship, got 2" in capsys.readouterr().err
    command += [] if seed is None else ["--seed", str(seed)]
    for name in ("sft_compute_matched", "sft_grpo"):
        arm = tmp_path / ("gate" if seed is None else f"seed_{seed}") / "arms" / name
        shutil.copytree(tiny_checkpoint, arm / "policy")
        FitRecord(is_done=False).write(arm)
        assert main([*command]) == 2
        assert "--ship: expected arms that are trained" in capsys.readouterr().err
        FitRecord(is_done=True).write(arm)
        if seed is not None:
            assert main([*command]) == 2
            assert "--ship: expected arms that are trained and tested" in capsys.readouterr().err
            (arm / "results.json").write_text("{}")
    assert main(command) == 0
    trained = load_file(tiny_checkpoint / "model.safetensors")
    for name in ("small-sft-matched", "small-sft-grpo"):
        shipped = load_file(tmp_path / "shipped" / name / "model.safetensors")
        assert all(shipped[key].equal(tensor.bfloat16()) for key, tensor in trained.items())
        assert load_policy(tmp_path / "shipped" / name).causal_lm.config.vocab_size > 0
