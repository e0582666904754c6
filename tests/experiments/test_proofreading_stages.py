"""Stages end by what was read, a killed run goes on where it was, and a stage that teaches nothing says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lit_grpo.data.proofreading import ProofreadingSettings
from lit_grpo.environment.faults.difficulty import Difficulty
from lit_grpo.experiments.proofreading_stages import Goal, Leg, NotLearned, Stage, run_stages
from lit_grpo.experiments.reading import ReadingScores, Share

FIRST = Stage(
    "first",
    {Difficulty.EASY: 1.0},
    ProofreadingSettings(max_rows=2),
    Goal(copied_numbers=0.9, mended_numbers=0.8, judged=0.75, found=0.3),
    batches_per_leg=10,
    batch_size=2,
    max_prompts=60,
)
SECOND = replace(FIRST, name="second", proofreading=ProofreadingSettings())


def read_so_well(copied: int, mended: int, untouched: int, slipped: int, found: int = 30) -> ReadingScores:
    """Percent of each that was right."""
    return ReadingScores(
        copied_numbers=Share(copied, 100),
        mended_numbers=Share(mended, 100),
        judged_untouched=Share(untouched, 100),
        judged_slipped=Share(slipped, 100),
        found=Share(found, 100),
    )


BADLY, WELL = read_so_well(95, 20, 90, 60), read_so_well(95, 80, 90, 60)


class Trainer:
    """Notes its legs; reads badly before a stage and after so many legs of it, and is killed in the given leg."""

    def __init__(self, num_bad: int, killed_in: int | None = None) -> None:
        self.num_bad, self.killed_in = num_bad, killed_in
        self.legs: list[Leg] = []

    def fit(self, leg: Leg) -> None:
        assert not list(leg.folder.iterdir())
        (leg.folder / "policy").mkdir()
        if leg.seed == self.killed_in:
            raise KeyboardInterrupt
        self.legs.append(leg)

    def read(self, policy: Path, stage: Stage) -> ReadingScores:
        return BADLY if sum(leg.stage == stage for leg in self.legs) <= self.num_bad else WELL


def run(folder: Path, trainer: Trainer) -> Path:
    return run_stages(folder, folder / "untrained", [FIRST, SECOND], trainer.fit, trainer.read)


def test_1_each_leg_goes_on_from_the_one_before_with_exercises_of_its_own(tmp_path: Path) -> None:
    trainer = Trainer(num_bad=1)
    last = run(tmp_path, trainer)
    assert [leg.stage.name for leg in trainer.legs] == ["first", "first", "second", "second"]
    assert [leg.seed for leg in trainer.legs] == [0, 1, 2, 3]
    policies = [tmp_path / "untrained", *(leg.folder / "policy" for leg in trainer.legs)]
    assert [leg.start for leg in trainer.legs] == policies[:-1]
    assert last == policies[-1]


def test_2_every_part_of_a_goal_has_to_be_reached() -> None:
    # Judged is the mean of 90 and 60 percent: 0.75.
    assert FIRST.goal.is_reached(WELL)
    for shares in ((89, 80, 90, 60), (95, 79, 90, 60), (95, 80, 90, 59), (95, 80, 90, 60, 29)):
        assert not FIRST.goal.is_reached(read_so_well(*shares))


def test_2_what_is_read_well_enough_is_not_trained(tmp_path: Path) -> None:
    trainer = Trainer(num_bad=0)

    def read(policy: Path, stage: Stage) -> ReadingScores:
        return WELL if stage.name == "second" else trainer.read(policy, stage)

    last = run_stages(tmp_path, tmp_path / "untrained", [FIRST, SECOND], trainer.fit, read)
    assert [leg.stage.name for leg in trainer.legs] == ["first"]
    assert last == trainer.legs[0].folder / "policy"
    assert (tmp_path / "1_second" / "reading.json").is_file()


@pytest.mark.parametrize("killed_in", range(4))
def test_3_a_killed_run_begins_the_leg_again_in_which_it_was(tmp_path: Path, killed_in: int) -> None:
    killed, resumed = Trainer(num_bad=1, killed_in=killed_in), Trainer(num_bad=1)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, killed)
    resumed.legs += killed.legs
    last = run(tmp_path, resumed)
    assert [leg.seed for leg in resumed.legs] == [0, 1, 2, 3]
    assert last == run(tmp_path, Trainer(num_bad=0))  # nothing is left to do: no leg is added


def test_4_a_stage_without_success_ends_with_what_was_read(tmp_path: Path) -> None:
    trainer = Trainer(num_bad=100)
    with pytest.raises(
        NotLearned, match=r"stage first: expected Goal\(.*\) within 60 prompts, got .*mended_numbers 0.200"
    ):
        run(tmp_path, trainer)
    # 10 batches of 2 a leg.
    assert len(trainer.legs) == 3


def test_5_a_leg_whose_figures_were_not_written_has_not_ended(tmp_path: Path) -> None:
    trainer = Trainer(num_bad=0)

    def killed_while_reading(policy: Path, stage: Stage) -> ReadingScores:
        if trainer.legs:
            raise KeyboardInterrupt
        return BADLY

    with pytest.raises(KeyboardInterrupt):
        run_stages(tmp_path, tmp_path / "untrained", [FIRST], trainer.fit, killed_while_reading)
    run_stages(tmp_path, tmp_path / "untrained", [FIRST], trainer.fit, trainer.read)
    assert [leg.seed for leg in trainer.legs] == [0, 0]
