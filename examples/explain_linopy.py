"""From a linopy model to `lit-grpo explain` and back: names and coordinates are those of the file.

Run: `python examples/explain_linopy.py` (needs the extra `modelling`).
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import linopy
import pandas

from lit_grpo.commands.main import main
from lit_grpo.environment.programs.files import read_program

goods = pandas.Index(["bread", "cake", "rolls"], name="goods")
SOLD = pandas.Series([float("inf"), 30.0, 40.0], goods)
PROFIT = pandas.Series([3.0, 5.0, 4.0], goods)
NEEDED = pandas.DataFrame(
    {"bread": [2.0, 0.5], "cake": [3.0, 0.4], "rolls": [1.0, 0.3]}, pandas.Index(["oven", "flour"], name="of")
)
LIMITS = pandas.Series([90.0, 70.0], NEEDED.index)
SAID = {
    "orders": "At least 120 pieces are ordered, of bread, cake and rolls together.",
    "limit(oven)": "The oven has 900 hours at most: 2 for a bread, 3 for a cake, 1 for rolls.",
    "limit(flour)": "Flour is up to 70: 0.5 for a bread, 0.4 for a cake, 0.3 for rolls.",
}
"""What the model should mean, by the names of its rows."""

model = linopy.Model()
make = model.add_variables(lower=0, upper=SOLD, name="make")
model.add_objective((PROFIT * make).sum(), sense="max")
model.add_constraints(make.sum() >= 120, name="orders")
model.add_constraints((make * NEEDED.rename_axis(columns="goods")).sum("goods") <= LIMITS, name="limit")

with TemporaryDirectory() as folder:
    file, text, answer = (Path(folder) / name for name in ("bakery.lp", "bakery.txt", "answer.json"))
    model.to_file(file, explicit_coordinate_names=True, progress=False)
    # The row `limit` of `oven` is called limit(oven)#1 there.
    called = {row.name: row.name.rpartition("#")[0] for row in read_program(file).constraints}
    text.write_text("\n".join(f"row:{row}: {SAID[name]}" for row, name in called.items()), encoding="utf-8")
    main(["explain", str(file), "--specification", str(text), "--format", "json", "--output", str(answer)])
    explained = json.loads(answer.read_text(encoding="utf-8"))

print("Cannot hold together:", *explained["conflict"]["elements"])
likeliest = explained["candidates"][0]
for edit, change in zip(likeliest["edits"], likeliest["changes"], strict=True):
    print("What may have happened:", change)
    if edit["kind"] == "set_rhs":
        name, _, coordinate = called[edit["row"]].rstrip(")").partition("(")
        rhs = model.constraints[name].rhs.copy()
        rhs.loc[coordinate or ...] = edit["value"]
        model.constraints[name].update(rhs=rhs)
    else:
        print("That is no right-hand side: change it in the model.")

status, _ = model.solve("highs", progress=False, log_to_console=False)
print(f"{status}: {model.objective.value:.2f}")
