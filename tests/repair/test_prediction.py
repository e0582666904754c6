"""What `lit-grpo predict` says of a bakery's file, with a policy that says what it is told to.

1. Where the policy is sure its likeliest repair comes first, and is recommended; where it is not, or there is no text,
   nothing is, and explain's order stands.
2. It is never empty-handed: without a repair the conflict and the least changes stay; a program that does not fit the
   policy's context has its candidates all the same, with the reason; a part of it
   that fits is played.
3. Each repair that is shown has its edits in the user's names, its cost, the sentences about it and those still broken.
4. The files: the user's own text with the tokens that change, patches, and the results with all that is printed; no
   whole file where nothing is recommended.
5. The results have the keys that are documented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from bakery import BREAD, MakePolicy
from large_programs import horizon

from lit_grpo.data.user_program import RepairDataModule, UserProgram
from lit_grpo.environment.episodes.actions import Action
from lit_grpo.environment.episodes.observation import ObservationStyle
from lit_grpo.environment.episodes.record import EpisodeSettings
from lit_grpo.environment.programs.edits import DropRow, SetRhs
from lit_grpo.environment.programs.files import read_program, write_program
from lit_grpo.explain.explain import make_solver
from lit_grpo.explain.explanation import ExplainSettings
from lit_grpo.explain.reading import Question, explained
from lit_grpo.repair.as_text import prediction_text
from lit_grpo.repair.attempts import AskedPolicy
from lit_grpo.repair.files import write_prediction
from lit_grpo.repair.prediction import Prediction, RepairSettings, predict, unasked_prediction
from lit_grpo.repair.shown import shown_repairs

SCHEMA = Path(__file__).parents[2] / "lit_grpo" / "repair" / "prediction.schema.json"
RULES = EpisodeSettings(style=ObservationStyle.COMPACT)
SOLVER = make_solver()
OVEN = "row:oven: right-hand side 9 -> 90"


def said(asked: UserProgram, policy: AskedPolicy, min_confidence: float = 0.5) -> Prediction:
    question = Question(asked.program, asked.specification, asked.keep)
    settings = RepairSettings(num_attempts=1, min_confidence=min_confidence)
    return predict(explained(question, ExplainSettings()), policy, RULES, SOLVER, settings, seed=0)


def likes(word: str) -> Callable[[str], float]:
    """A policy that gives one move 90 %, and hardly anything to any other."""
    return lambda text: -0.1054 if word in text else -30.0


def files_of(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"plan.lp", "plan.txt"}


def written(prediction: Prediction, asked: UserProgram) -> tuple[str, dict[str, Any]]:
    """What is printed, and the results."""
    shown = shown_repairs(prediction, SOLVER)
    write_prediction(prediction, shown, asked)
    return prediction_text(prediction, shown), json.loads(asked.results.read_text(encoding="utf-8"))


def test_1_sure(bakery: tuple[Path, Path], make_policy: MakePolicy) -> None:
    asked = RepairDataModule(*bakery).asked
    prediction = said(asked, make_policy([[SetRhs("oven", 90.0)]], likes('"value":90}')))
    first = prediction.recommended
    assert first is not None
    assert (first.edits, first.num_found) == ((SetRhs("oven", 90.0),), 1)
    assert prediction.exit_status == 0
    text, results = written(prediction, asked)
    assert text.startswith(
        f"The policy: 1 of 1 attempts ended feasible; its likeliest repair, {OVEN}, has a confidence of "
    )
    assert f"Repairs, what the policy thinks likeliest first:\n  1. {OVEN}; then the optimum is 139" in text
    assert "     the policy: found in 1 of 1 attempts, says exactly this with 90 %; confidence, with the list: " in text
    assert results["recommended"] == 1
    assert [path.name for path in map(Path, results["files"])] == [
        "plan.repaired.lp",
        *(f"plan.repaired.{n}.patch" for n in (1, 2, 3)),
    ]


def test_1_the_likeliest_comes_first(bakery: tuple[Path, Path], make_policy: MakePolicy) -> None:
    asked = RepairDataModule(bakery[0]).asked
    policy = make_policy([[DropRow("demand")]], likes('"drop","row":"demand"'))
    # Without a text nobody knows what was meant, however sure a policy is.
    prediction = said(asked, policy)
    assert prediction.recommended is None
    assert prediction.repairs[0].edits != (DropRow("demand"),)
    assert "Unsure: without a specification, no repair is recommended." in prediction_text(prediction, ())
    prediction = said(asked, make_policy([[DropRow("demand")]], likes('"drop","row":"demand"')), min_confidence=0.0)
    assert prediction.recommended is not None
    assert prediction.recommended.edits == (DropRow("demand"),)
    assert prediction.explanation.candidates[0].edits != (DropRow("demand"),)


def test_1_unsure(bakery: tuple[Path, Path], make_policy: MakePolicy) -> None:
    asked = RepairDataModule(*bakery).asked
    # The text speaks for the oven, and the policy against it.
    prediction = said(asked, make_policy([[DropRow("demand")]], likes('"drop","row":"demand"')))
    assert prediction.recommended is None
    assert prediction.exit_status == 1
    text, results = written(prediction, asked)
    unsure = r"row:demand: leave it out, has a confidence of [\d.]+ %\.\nUnsure: below 50 %, no repair is recommended\."
    assert re.search(unsure, text)
    assert f"  1. {OVEN}" in text
    assert results["recommended"] is None
    assert [one["candidate"] for one in results["shown"]] == [1, 2, 3]
    assert files_of(asked.program.parent) == {*(f"plan.repaired.{n}.patch" for n in (1, 2, 3)), "plan.repaired.json"}


@pytest.mark.parametrize(
    ("keep", "actions", "line"),
    [
        # What it found touches what must stay.
        (
            ["row:*", "var:*"],
            [DropRow("demand")],
            "The policy: 1 of 1 attempts ended feasible, 1 of them not as it has to be.",
        ),
        (["row:*", "var:*"], [SetRhs("oven", 10.0)] * 5, "The policy: 0 of 1 attempts ended feasible."),
    ],
)
def test_2_without_a_repair(
    bakery: tuple[Path, Path], make_policy: MakePolicy, keep: list[str], actions: Sequence[Action], line: str
) -> None:
    asked = RepairDataModule(*bakery, keep=keep).asked
    text, results = written(said(asked, make_policy([actions])), asked)
    assert text == f"{line}\nNo repair was found: what is known is above.\n"
    assert results["shown"] == results["others"] == results["files"] == []
    assert set(results["explanation"]["conflict"]["elements"]) == {"row:demand", "row:oven"}


def test_2_it_does_not_fit(bakery: tuple[Path, Path], make_policy: MakePolicy) -> None:
    asked = RepairDataModule(*bakery).asked
    prediction = said(asked, make_policy([[]], max_context_tokens=80))
    text, results = written(prediction, asked)
    assert "No policy: the program does not fit the policy's context of 80 tokens beside a turn of 64; " in text
    assert "of which none is recommended:" in text
    assert f"  1. {OVEN}" in text
    assert (results["policy"], results["shown"][0]["confidence"]) == (None, None)
    assert prediction.exit_status == 1


def test_2_a_part_of_it_fits(tmp_path: Path, make_policy: MakePolicy) -> None:
    write_program(horizon(60, Random(3)), tmp_path / "plan.lp")
    explanation, settings = explained(Question(tmp_path / "plan.lp"), ExplainSettings()), RepairSettings(num_attempts=1)
    for rules, fits in ((RULES, False), (replace(RULES, view_tokens=700), True)):
        policy = make_policy([[SetRhs("balance10", 30.0)]], max_context_tokens=900)
        prediction = predict(explanation, policy, rules, SOLVER, settings, seed=0)
        assert prediction.attempts is not None
        assert prediction.attempts.fits is fits
        found = [r for r in prediction.repairs if r.num_found]
        assert [r.edits for r in found] == ([(SetRhs("balance10", 30.0),)] if fits else [])
        assert all(r.logprob is not None for r in found)


def test_2_nothing_to_put_to_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.lp"
    for text, status, line in (
        (BREAD.replace("<= 9 ", "<= 90"), 0, ""),
        ("Maximize\n obj: x\nSubject To\n r: x >= 1\nEnd\n", 0, ""),
    ):
        path.write_text(text, encoding="utf-8")
        prediction = unasked_prediction(explained(Question(path), ExplainSettings()))
        assert (prediction.exit_status, prediction_text(prediction, ())) == (status, line)


def test_3_what_is_said_of_each(bakery: tuple[Path, Path], make_policy: MakePolicy) -> None:
    asked = RepairDataModule(*bakery).asked
    text, results = written(said(asked, make_policy([[SetRhs("oven", 90.0)]], likes('"value":90}'))), asked)
    first, second, third = results["shown"]
    # 33 bread and 8 cakes take 66 + 24 = 90, of 9 that were written, and earn 99 + 40. An oven of 900 has room for 40
    # bread, which earn 21 more.
    assert (first["changes"], first["objective"]) == ([OVEN], pytest.approx(139.0))
    assert first["behind"] == pytest.approx(21.0)
    assert first["breaks"] == [{"element": "row:oven", "amount": pytest.approx(81.0)}]
    assert first["sentences"][0]["text"].startswith("The oven has 90 hours")
    assert first["broken_sentences"] == []
    assert "nothing in it that could be matched speaks against it" in text
    for other in (second, third):
        if "row:oven" not in other["elements"]:
            assert any(sentence["about"] == "row:oven" for sentence in other["broken_sentences"])


def test_4_only_what_changes(bakery: tuple[Path, Path], make_policy: MakePolicy, tmp_path: Path) -> None:
    asked = RepairDataModule(*bakery).asked
    written(said(asked, make_policy([[SetRhs("oven", 90.0)]], likes('"value":90}'))), asked)
    repaired = (tmp_path / "plan.repaired.lp").read_text(encoding="utf-8")
    assert repaired == BREAD.replace("<= 9 ", "<= 90 ")
    patch = (tmp_path / "plan.repaired.1.patch").read_text(encoding="utf-8").splitlines()
    assert [line for line in patch[2:] if line[0] in "+-"] == [
        "- oven: 2 bread + 3 cake <= 9   \\ hours",
        "+ oven: 2 bread + 3 cake <= 90   \\ hours",
    ]
    with pytest.raises(ValueError, match="expected no such file yet"):
        RepairDataModule(*bakery)


def test_4_no_patch_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "plan.repaired.2.patch").write_text("an earlier one")
    with pytest.raises(ValueError, match=r"plan\.repaired\.2\.patch: expected no such file yet, got one; move it"):
        RepairDataModule(tmp_path / "plan.lp")


def test_4_another_format_is_written_anew(bakery: tuple[Path, Path], make_policy: MakePolicy, tmp_path: Path) -> None:
    asked = RepairDataModule(*bakery, output=tmp_path / "new" / "plan.mps").asked
    written(said(asked, make_policy([[SetRhs("oven", 90.0)]], likes('"value":90}'))), asked)
    assert read_program(asked.output).constraint("oven").rhs == 90.0
    assert asked.patch(1).is_file()
    with pytest.raises(ValueError, match=r"data\.output: expected a file named"):
        RepairDataModule(*bakery, output=tmp_path / "plan.txt")


def test_5_the_documented_keys(bakery: tuple[Path, Path], make_policy: MakePolicy) -> None:
    asked = RepairDataModule(*bakery).asked
    _, results = written(said(asked, make_policy([[SetRhs("oven", 90.0)]])), asked)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert set(results) == set(schema["required"]) == set(schema["properties"])
    keys = set(schema["properties"]["shown"]["items"]["properties"])
    assert set(results["shown"][0]) == keys
    assert set(results["others"][0]) < keys
    assert set(results["policy"]) == set(schema["properties"]["policy"]["properties"])
