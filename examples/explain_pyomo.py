"""From a Pyomo model to `lit-grpo explain` and back: Pyomo's own map says what a name of the file is.

Run: `python examples/explain_pyomo.py` (needs the extra `modelling`). What a row means is its ``doc``.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyomo.environ as pyo

from lit_grpo.commands.main import main

GOODS = ("bread", "cake", "rolls")
PROFIT = {"bread": 3, "cake": 5, "rolls": 4}
SOLD = {"bread": None, "cake": 30, "rolls": 40}
HOURS = {"bread": 2, "cake": 3, "rolls": 1}

model = pyo.ConcreteModel("bakery")
model.make = pyo.Var(GOODS, domain=pyo.NonNegativeReals, bounds=lambda model, good: (0, SOLD[good]))
model.profit = pyo.Objective(expr=pyo.sum_product(PROFIT, model.make, index=GOODS), sense=pyo.maximize)
model.orders = pyo.Constraint(
    expr=pyo.sum_product(model.make) >= 120,
    doc="At least 120 pieces are ordered, of bread, cake and rolls together.",
)
model.oven = pyo.Constraint(
    expr=pyo.sum_product(HOURS, model.make, index=GOODS) <= 90,
    doc="The oven has 900 hours at most: 2 for a bread, 3 for a cake, 1 for rolls.",
)

with TemporaryDirectory() as folder:
    file, text, answer = (Path(folder) / name for name in ("bakery.lp", "bakery.txt", "answer.json"))
    _, number = model.write(str(file), io_options={"symbolic_solver_labels": True})
    # In the file the row `oven` is called c_u_oven_.
    part_of = model.solutions.symbol_map[number].bySymbol
    rows = {name: part for name, part in part_of.items() if part.ctype is pyo.Constraint}
    sentences = (f"row:{name}: {part.parent_component().doc}" for name, part in rows.items())
    text.write_text("\n".join(sentences), encoding="utf-8")
    main(["explain", str(file), "--specification", str(text), "--format", "json", "--output", str(answer)])
    explained = json.loads(answer.read_text(encoding="utf-8"))

named = [element.partition(":")[2] for element in explained["conflict"]["elements"]]
print("Cannot hold together:", *(part_of[name].name for name in named))
likeliest = explained["candidates"][0]
for edit, change in zip(likeliest["edits"], likeliest["changes"], strict=True):
    print("What may have happened:", change)
    if edit["kind"] == "set_rhs":
        row = rows[edit["row"]]
        row.set_value(row.body <= edit["value"] if row.has_ub() else row.body >= edit["value"])
    else:
        print("That is no right-hand side: change it in the model.")

solved = pyo.SolverFactory("appsi_highs").solve(model)
print(f"{solved.solver.termination_condition}: {pyo.value(model.profit):.2f}")
