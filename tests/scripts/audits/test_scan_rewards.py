"""What the presets pay, on a small sample of real tasks: scripts/audits/scan_rewards.py.

1. The composite, and each reward that asks for faithfulness, pays no policy without the truth as it pays an honest
   attempt that errs once, and pays the oracle best.
2. The study's hybrid scale pays an unfaithful deletion like the oracle, to the last digit where both take one step.
3. The tables: the best of the uninformed beside the oracle, as worked by hand.
4. Every preset of configs/reward/ is scanned.
"""

from __future__ import annotations

from functools import cache

import pytest
import scan_rewards
from audit_policies.attacks import ATTACKS
from audit_policies.attacks_by_guessing import GUESSING_ATTACKS
from scan_rewards import HONEST, INFORMED, Paid

from lit_grpo.data.task import Task
from lit_grpo.environment.policies.baselines import BaselineEpisode, BaselinePolicy, DropFirst, Oracle
from lit_grpo.environment.solver.highs import HighsSolver
from lit_grpo.rewards.base import AttemptKey
from lit_grpo.rewards.hybrid import HybridReward

PRESETS = scan_rewards.load_presets()
BEST_PAID = ("turn a sense round", "move a nought", "equal objective by deletion", "relax by 1e8", "name the conflict")
SAMPLE = (DropFirst(), *(attack for attack in (*ATTACKS, *GUESSING_ATTACKS) if attack.name in BEST_PAID))


@cache
def played(policy: BaselinePolicy) -> list[BaselineEpisode[Task]]:
    solver = HighsSolver()
    return scan_rewards.play(policy, scan_rewards.make_tasks(8, 3, solver), solver, seed=0)


def means(policy: BaselinePolicy) -> dict[str, float]:
    return dict(scan_rewards.pay(policy, played(policy), PRESETS, seed=0).means)


@pytest.mark.parametrize("policy", SAMPLE, ids=lambda policy: policy.name)
def test_1_faithful_presets_pay_honest_work_best(policy: BaselinePolicy) -> None:
    attack, honest, oracle = means(policy), means(HONEST), means(Oracle())
    for preset in ("composite", "outcome", "faithful_diagnosis"):
        assert attack[preset] < honest[preset] <= oracle[preset] == 1.0


def test_2_the_study_pays_a_deletion_like_the_oracle() -> None:
    scale, key = HybridReward(), AttemptKey(0, 0, "task", 0)
    pairs = list(zip(played(DropFirst()), played(Oracle()), strict=True))
    deleted = [(drop, true) for drop, true in pairs if drop.score.recovered and not drop.score.faithful]
    same = [(drop, true) for drop, true in deleted if drop.score.turns == true.score.turns == 1]
    assert len(same) >= len(pairs) / 2
    for drop, true in same:
        assert scale.of(drop.score, 5, key).total == scale.of(true.score, 5, key).total == 99.0
        assert scale.of(drop.score, 5, key).unshaped <= 0.3 < scale.of(true.score, 5, key).unshaped == 1.0
    for preset in ("hybrid", "asymmetric"):
        assert means(DropFirst())[preset] > 0.97 * means(Oracle())[preset]


def test_3_the_tables() -> None:
    paid = [
        Paid("oracle", True, 1.0, 1.0, {"a": 1.0}),
        Paid("honest", True, 1.0, 1.0, {"a": 0.95}),
        Paid("worse", False, 0.5, 0.25, {"a": 0.1}),
        Paid("better", False, 1.0, 0.0, {"a": 0.5}),
    ]
    assert scan_rewards.summary(paid, ["a"])[1:] == [
        ["a", "better", "0.500", "0.0 %", "100.0 %", "0.950", "1.000", "50 %"]
    ]
    rows = scan_rewards.details(paid, ["a"])
    assert [row[0] for row in rows[1:]] == ["oracle", "honest", "better", "worse"]
    assert scan_rewards.markdown(rows).splitlines()[-1] == "| worse | 25.0 % | 50.0 % | 0.100 |"


def test_4_every_preset() -> None:
    assert next(iter(PRESETS)) == "composite"
    assert set(PRESETS) == {path.stem for path in scan_rewards.PRESETS.glob("*.yaml")}
    assert INFORMED[:2] == (Oracle(), HONEST)
