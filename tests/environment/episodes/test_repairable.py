"""Rules that leave a task no room for its repair are refused wherever graded tasks are played.

1. A single fault is repairable under every rule; two faults need two turns, and edits that persist.
2. Of kinds, E and G alone need edits that persist; a kind of weight 0 is not asked about.
3. The trivial policies and the rollouts refuse such a task before its episode begins.
4. What is refused could indeed not be recovered: the oracle itself fails under it.
5. With spare turns an attempt has as many as its repair takes and so many more, and never more than the rules say; a
   rollout asks for them by `rollout.spare_turns`, of the default environment alone.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from desk_problem import FAULT, FAULTY, ORDERS, ORIGINAL, WOOD, DeskTask, turn

from lit_grpo.callbacks.rollout import RolloutCallback
from lit_grpo.data.task import TaskSettings
from lit_grpo.environment.episodes.episode import RepairEpisode
from lit_grpo.environment.episodes.record import EpisodeSettings, StopReason
from lit_grpo.environment.episodes.repair_environment import RepairEnvironment
from lit_grpo.environment.episodes.repairable import require_kinds_repairable, require_repairable
from lit_grpo.environment.faults.fault_kinds import FaultKind
from lit_grpo.environment.policies.baselines import Oracle, run_baseline
from lit_grpo.environment.programs.edits import SetRhs, apply
from lit_grpo.environment.programs.specification import RepairProblem
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.rollout.settings import RolloutSettings

UNDO = EpisodeSettings(undo_if_still_infeasible=True)
# Besides the orders of 95, the wood in stock is 10 instead of 194: 3 x + 2 y <= 10 leaves no 30 pieces either.
TWO_FAULTS = replace(
    FAULT,
    kind=FaultKind.MULTIPLE,
    faulty=apply(FAULTY, SetRhs("wood", 10.0)),
    inverse=(SetRhs("orders", 30.0), SetRhs("wood", 194.0)),
    faulty_elements=(ORDERS, WOOD),
)
TWO = DeskTask(problem=RepairProblem(TWO_FAULTS.faulty), fault=TWO_FAULTS)


def test_1_what_can_be_repaired() -> None:
    for rules in (UNDO, EpisodeSettings(max_turns=1)):
        require_repairable(FAULT, rules)
    require_repairable(TWO_FAULTS, EpisodeSettings(max_turns=2))
    with pytest.raises(ValueError, match=r"expected max_turns to be at least 2 for a fault of kind E .* got 1; raise"):
        require_repairable(TWO_FAULTS, EpisodeSettings(max_turns=1))
    with pytest.raises(ValueError, match=r"expected edits that persist .* kind E, .* undo_if_still_infeasible"):
        require_repairable(TWO_FAULTS, UNDO)


def test_2_of_kinds() -> None:
    require_kinds_repairable(FaultKind, EpisodeSettings())
    single = [kind for kind in FaultKind if kind not in "EG"]
    require_kinds_repairable(single, UNDO)
    for kind in "EG":
        with pytest.raises(ValueError, match=f"faults of kind {kind},"):
            require_kinds_repairable([*single, FaultKind(kind)], UNDO)
    settings = TaskSettings(kinds={FaultKind.SENSE: 1.0, FaultKind.MULTIPLE: 0.0})
    assert settings.drawn_kinds == (FaultKind.SENSE,)


def test_3_where_they_are_played() -> None:
    assert run_baseline(Oracle(), [TWO], HighsSolver(), EpisodeSettings(), 0)[0].score.faithful
    with pytest.raises(ValueError, match="expected edits that persist"):
        run_baseline(Oracle(), [TWO], HighsSolver(), UNDO, 0)


def test_4_it_could_not_be_recovered() -> None:
    episode = RepairEpisode(TWO.problem, HighsSolver(), UNDO)
    while episode.stop_reason is None:
        for edit in TWO_FAULTS.inverse:
            if episode.stop_reason is None:
                episode.step(turn(edit))
    assert episode.stop_reason is StopReason.TURN_LIMIT
    assert episode.program == TWO_FAULTS.faulty != ORIGINAL


@pytest.mark.parametrize(
    ("spare", "of_one", "of_two"), [(None, 3, 3), (0, 1, 2), (1, 2, 3), (5, 3, 3)], ids=["all", "none", "one", "many"]
)
def test_5_spare_turns(spare: int | None, of_one: int, of_two: int) -> None:
    settings = RolloutSettings(max_turns=3, spare_turns=spare)
    environment = RolloutCallback(settings, EpisodeSettings()).environment
    assert environment.max_turns == 3
    one = DeskTask(problem=RepairProblem(FAULT.faulty), fault=FAULT)
    for task, turns in ((one, of_one), (TWO, of_two)):
        for episode in environment.begin(task, 2):
            num_played = 0
            while episode.stop_reason is None:
                episode.answer("no move", False)
                num_played += 1
            assert num_played == turns
            assert episode.stop_reason == StopReason.TURN_LIMIT


def test_5_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match=r"rollout.spare_turns: expected at least 0, got -1; 0 leaves the turns"):
        RolloutSettings(spare_turns=-1)
    with pytest.raises(
        ValueError, match=r"rollout.spare_turns: expected null with an environment that is named, got 0"
    ):
        RolloutCallback(RolloutSettings(spare_turns=0), environment=RepairEnvironment(EpisodeSettings(), HighsSolver()))
