"""Models of Pyomo, PuLP and linopy go to `lit-grpo explain` and back: names survive, and the repaired model is solved.

The oven of the bakery has 90 hours where its sentence says 900. With 900, all 30 cakes and 40 rolls are made, and
bread in the hours that are left: (900 - 3 * 30 - 40) / 2 = 385, for 3 * 385 + 5 * 30 + 4 * 40 = 1465. In linopy's
bakery flour ends first: (70 - 0.4 * 30 - 0.3 * 40) / 0.5 = 92, for 276 + 150 + 160 = 586.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("library", "row", "conflict", "profit"),
    [
        ("pulp", "oven", "row:orders row:oven var:rolls", "Optimal: 1465.00"),
        ("pyomo", "c_u_oven_", "orders oven make[cake] make[rolls]", "optimal: 1465.00"),
        (
            "linopy",
            "limit(oven)#1",
            "row:orders#0 row:limit(oven)#1 var:make(cake)#1 var:make(rolls)#2",
            "ok: 586.00",
        ),
    ],
)
def test_there_and_back(library: str, row: str, conflict: str, profit: str) -> None:
    pytest.importorskip(library, reason="not installed: pip install -c constraints.txt -e '.[modelling]'")
    example = ROOT / "examples" / f"explain_{library}.py"
    ended = subprocess.run([sys.executable, str(example)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.splitlines() == [
        f"Cannot hold together: {conflict}",
        f"What may have happened: row:{row}: right-hand side 90 -> 900",
        profit,
    ]
