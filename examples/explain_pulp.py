"""From a PuLP model to `lit-grpo explain` and back: its names are those of the file, so the answer fits the model.

Run: `python examples/explain_pulp.py` (needs the extra `modelling`).
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pulp

from lit_grpo.commands.main import main

SOLD = {"bread": None, "cake": 30, "rolls": 40}
SAID = {
    "orders": "At least 120 pieces are ordered, of bread, cake and rolls together.",
    "oven": "The oven has 900 hours at most: 2 for a bread, 3 for a cake, 1 for rolls.",
}
"""What the model should mean, by the names of its rows."""

problem = pulp.LpProblem("bakery", pulp.LpMaximize)
make = {name: problem.add_variable(name, 0, most) for name, most in SOLD.items()}
problem += 3 * make["bread"] + 5 * make["cake"] + 4 * make["rolls"], "profit"
problem += make["bread"] + make["cake"] + make["rolls"] >= 120, "orders"
problem += 2 * make["bread"] + 3 * make["cake"] + make["rolls"] <= 90, "oven"

with TemporaryDirectory() as folder:
    file, text, answer = (Path(folder) / name for name in ("bakery.lp", "bakery.txt", "answer.json"))
    problem.writeLP(str(file))
    text.write_text("\n".join(f"row:{name}: {sentence}" for name, sentence in SAID.items()), encoding="utf-8")
    main(["explain", str(file), "--specification", str(text), "--format", "json", "--output", str(answer)])
    explained = json.loads(answer.read_text(encoding="utf-8"))

print("Cannot hold together:", *explained["conflict"]["elements"])
likeliest = explained["candidates"][0]
for edit, change in zip(likeliest["edits"], likeliest["changes"], strict=True):
    print("What may have happened:", change)
    if edit["kind"] == "set_rhs":
        row = problem.get_constraint_by_name(edit["row"])
        assert row is not None, "names survive"
        row.changeRHS(edit["value"])
    else:
        print("That is no right-hand side: change it in the model.")

problem.solve(pulp.HiGHS(msg=False))
print(f"{pulp.LpStatus[problem.status]}: {pulp.value(problem.objective):.2f}")
