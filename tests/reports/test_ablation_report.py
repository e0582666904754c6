"""The report of the ablations, from fake run folders.

1. The JSON holds every arm, its training, its cells, and each difference as counted by hand from the scores.
2. Holm's correction is over all pairs of the family, in the JSON and in the table; arms of one seed are a family apart.
3. A pair of two bases is there once; no arm is compared with itself; further pairs come last.
4. The page is made from the JSON alone, holds every table, and stands between the markers of another page, twice over.
5. A page without markers, a missing arm and a study that has not been reported are refused in one line.
6. The same folders give the same bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lit_grpo.metrics.bootstrap import BootstrapSettings
from lit_grpo.metrics.policy_shift import PolicyShift, write_shift
from lit_grpo.metrics.records import read_scores
from lit_grpo.metrics.significance import holm
from lit_grpo.reports.ablation_page import results_section, write_into_docs
from lit_grpo.reports.ablations import AblationPlan, write_ablations
from lit_grpo.reports.comparison import Pair
from lit_grpo.reports.differences import pairs_against
from lit_grpo.reports.runs import SeedRun
from lit_grpo.reports.study_page import RESULTS, fill_in

CHEAP = BootstrapSettings(num_replicates=200)
SKILLS = {"sft": 0.4, "matched": 0.42, "baseline": 0.6, "no_kl": 0.65, "curriculum": 0.8}
PLAN = AblationPlan(
    several=tuple(SKILLS),
    single=("as_reported",),
    bases=("sft", "matched", "baseline"),
    several_pairs=(Pair("curriculum", "no_kl"), Pair("curriculum", "baseline")),
    single_pairs=(Pair("as_reported", "no_kl"), Pair("as_reported", "sft")),
    final=("sft", "no_kl", "curriculum"),
)
ABOUT: dict[str, Any] = {
    "seeds": [0, 1],
    "best_arm": "no_kl",
    "is_smoke": False,
    "device": "CPU",
    "versions": {"torch": "2.13"},
    "cpu_hours": 1.5,
}
WriteArm = Callable[..., None]


def quiet() -> Console:
    return Console(file=io.StringIO())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, write_arm: WriteArm) -> tuple[Path, list[SeedRun]]:
    """Two seeds, reported."""
    study, runs = tmp_path_factory.mktemp("study"), []
    for seed in (0, 1):
        root = study / f"seed_{seed}"
        skills = SKILLS | ({"as_reported": 0.6} if seed == 0 else {})
        arms = {name: root / "arms" / name for name in skills}
        for name, folder in arms.items():
            write_arm(folder, skills[name], seed)
            (folder / "compute.json").write_text(json.dumps({"fit_cpu_s": 10.0, "fit_wall_s": 20.0}))
            (folder / "metrics.csv").write_text("batch,train/clipped,train/tokens\n0,0.0,10\n")
            write_shift(folder, PolicyShift(0.1, 0.1, 0.2, 10, 2))
        policies = {name: root / "baselines" / name for name in ("informed-random", "oracle")}
        for name, folder in policies.items():
            write_arm(folder, {"informed-random": 0.5, "oracle": 1.0}[name], seed)
        runs.append(SeedRun(root.name, arms, policies))
    write_ablations(study, runs, PLAN, ABOUT, CHEAP, quiet())
    return study, runs


@pytest.fixture
def document(study: tuple[Path, list[SeedRun]]) -> dict[str, Any]:
    return json.loads((study[0] / "ablations.json").read_text())


def faithful_share(folders: list[Path]) -> float:
    scored = [task for folder in folders for task in read_scores(folder / "scores.jsonl")]
    return sum(task.score.faithful for task in scored) / len(scored)


def test_1_everything_is_in_the_json(document: dict[str, Any], study: tuple[Path, list[SeedRun]]) -> None:
    root, seeds = study
    assert set(document["comparison"]["arms"]) == set(SKILLS)
    assert set(document["comparison_of_one_seed"]["arms"]) == {*SKILLS, "as_reported"}
    assert set(document["training"]["no_kl"]) == {"seed_0", "seed_1"}
    assert set(document["training"]["as_reported"]) == {"seed_0"}
    assert document["training"]["no_kl"]["seed_1"]["kl"] == 0.1
    (found,) = (d for d in document["differences"] if (d["better"], d["base"]) == ("curriculum", "sft"))
    shares = [faithful_share([run.arms[name] for run in seeds]) for name in ("curriculum", "sft")]
    assert found["FR@5"]["value"] == pytest.approx(shares[0] - shares[1], abs=1e-6)
    cell = document["cells"]["sft"]["A"]["all"]["FR@5"]
    of_kind = [t for run in seeds for t in read_scores(run.arms["sft"] / "scores.jsonl") if t.kind == "A"]
    assert cell["value"] == pytest.approx(sum(t.score.faithful for t in of_kind) / len(of_kind), abs=1e-6)
    assert cell["low"] <= cell["value"] <= cell["high"]
    easy = document["cells"]["sft"]["all"]["easy"]["FR@5"]["value"]
    assert document["bands"]["sft"]["FR@5"]["all"]["easy"] == ("below" if easy < 0.9 else "within")
    assert all((root / path).stat().st_size > 5000 for path in document["figures"].values())


def test_2_holm_over_each_family(document: dict[str, Any]) -> None:
    for family, size in (("differences", 10), ("differences_of_one_seed", 2)):
        found = document[family]
        assert len(found) == size
        assert [d["holm_p_value"] for d in found] == pytest.approx(holm([d["p_value"] for d in found]), abs=1e-5)
    pairs = [(d["better"], d["base"]) for d in document["differences"]]
    assert pairs.count(("curriculum", "baseline")) == 1
    assert pairs[-1] == ("curriculum", "no_kl")
    table = document["tables"]["differences"]
    assert table["columns"][3] == "p, Holm over 10"
    (row,) = (row for row in table["rows"] if row[0] == "curriculum − sft")
    assert row[2].endswith(" *")


def test_3_pairs() -> None:
    names = [pair.name for pair in pairs_against(PLAN.several, PLAN.bases)]
    to_sft = ["matched-sft", "baseline-sft", "no_kl-sft", "curriculum-sft"]
    to_matched = ["baseline-matched", "no_kl-matched", "curriculum-matched"]
    assert names == [*to_sft, *to_matched, "no_kl-baseline", "curriculum-baseline"]


def test_4_the_page(document: dict[str, Any], study: tuple[Path, list[SeedRun]], tmp_path: Path) -> None:
    section = results_section(document, "")
    for table in document["tables"].values():
        assert table["title"] in section
    assert "identical by construction" in section
    assert "Chosen by validation alone for the curriculum: `no_kl`" in section
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text(f"# Title\n\n{RESULTS.begin}\nto be run\n{RESULTS.end}\n\nAfter.\n")
    write_into_docs(study[0], page)
    filled = page.read_text()
    assert filled.startswith(f"# Title\n\n{RESULTS.begin}\n\n")
    assert filled.endswith(f"\n\n{RESULTS.end}\n\nAfter.\n")
    assert "to be run" not in filled
    assert all((page.parent / figure).is_file() for figure in document["figures"].values())
    write_into_docs(study[0], page)
    assert page.read_text() == filled


def test_4_a_smoke_run_says_so(document: dict[str, Any]) -> None:
    document["about"]["is_smoke"] = True
    assert results_section(document, "").startswith("**A smoke run: the figures mean nothing.**")


@pytest.mark.parametrize(
    "page",
    ["nothing", f"{RESULTS.end} {RESULTS.begin}", f"{RESULTS.begin} {RESULTS.end} {RESULTS.begin} {RESULTS.end}"],
)
def test_5_pages_without_markers(page: str) -> None:
    with pytest.raises(ValueError, match="each once, got another page; put the markers back"):
        fill_in(page, "section")


def test_5_what_is_missing(study: tuple[Path, list[SeedRun]], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ablations\.json, got no such file; run the ablations first"):
        write_into_docs(tmp_path, tmp_path / "page.md")
    first, second = study[1]
    lacking = SeedRun("seed_1", {n: f for n, f in second.arms.items() if n != "no_kl"}, second.baselines)
    with pytest.raises(ValueError, match="got none of no_kl; run them"):
        write_ablations(tmp_path, [first, lacking], PLAN, ABOUT, CHEAP, quiet())


def test_6_same_bytes(study: tuple[Path, list[SeedRun]], tmp_path: Path) -> None:
    root, seeds = study
    write_ablations(tmp_path, seeds, PLAN, ABOUT, CHEAP, quiet())
    assert (tmp_path / "ablations.json").read_bytes() == (root / "ablations.json").read_bytes()
