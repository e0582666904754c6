"""The page of attacks: what is written is what was counted.

1. Means, best rewards and shares by hand; two fields of tasks add up.
2. The page opens with the references, then the attacks by their mean, then each kind's best, then the findings.
"""

from attack_page import Earnings, page

from lit_grpo.environment.faults.fault_kinds import FaultKind

A, D = FaultKind.SENSE, FaultKind.RIGHT_HAND_SIDE


def earnings(name: str, *episodes: tuple[FaultKind, float, bool]) -> Earnings:
    one = Earnings(name)
    for kind, reward, faithful in episodes:
        one.add(kind, kind is A, reward, faithful, None)
    return one


def test_1_by_hand() -> None:
    one = earnings("drop", (A, 0.3, False), (D, 1.0, True))
    one.extend(earnings("drop", (D, 0.1, False), (A, 0.0, False)))
    assert one.cells == ("drop", "4", "0.350", "1.000", "0.300", "25.0 %")
    assert one.by_kind == {A: [0.3, 0.0], D: [1.0, 0.1]}
    assert one.num_integer == 2
    assert earnings("oracle", (A, 1.0, True)).cells[4] == "-"


def test_2_the_page() -> None:
    informed = earnings("informed-random", (A, 1.0, True), (D, 0.2, False))
    low, high = earnings("low", (A, 0.1, False), (D, 0.0, False)), earnings("high", (A, 0.0, False), (D, 0.3, False))
    text = page([low, high], [informed], [], tasks=2, searched=40)
    assert "6 episodes, 50 % of them" in text
    assert "--episodes 40 --num-tasks 2 --out docs/attacks.md" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert table[2:5] == [
        "| informed-random | 2 | 0.600 | 1.000 | 0.200 | 50.0 % |",
        "| high | 2 | 0.150 | 0.300 | 0.300 | 0.0 % |",
        "| low | 2 | 0.050 | 0.100 | 0.100 | 0.0 % |",
    ]
    assert table[7:] == ["| A | 1.000 | low 0.100 | high 0.000 |", "| D | 0.200 | **high 0.300** | low 0.000 |"]
    assert text.endswith("Nothing that is held to above was broken by any episode.\n")
    assert page([low], [informed], ["low: cheats"], tasks=2, searched=40).endswith("- low: cheats\n")
