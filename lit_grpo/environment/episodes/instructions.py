"""The system prompt: the task, the grammar and one worked example, for a model that was not trained on this task.

Handed out by observation.py (`instructions`); the episode itself never shows it.
"""

from __future__ import annotations

from lit_grpo.environment.episodes.actions import Move, render
from lit_grpo.environment.programs.edits import SetRhs
from lit_grpo.environment.programs.program import row_element

_EXAMPLE_MOVE = render(Move(SetRhs("oven", 90.0), (row_element("oven"),)))

FULL_INSTRUCTIONS = f"""\
You debug optimisation models. A model is infeasible because something in it is wrong: a sense, a right-hand side, a \
coefficient, a bound or a type disagrees with its specification, or a row was added that the specification does not \
know. Find the culprit and repair it so that the model says again exactly what the specification says. Making it \
feasible in any other way is not a repair. Bounds are written low .. high, where null means no bound.

Answer with ONE JSON object. Name in "diagnosis" the elements you hold responsible, row:NAME or var:NAME. Actions:
{{"diagnosis":["row:NAME"],"action":"set_rhs","row":"NAME","value":NUMBER}}
{{"diagnosis":["row:NAME"],"action":"set_sense","row":"NAME","sense":"<="}}   (or ">=" or "=")
{{"diagnosis":["row:NAME"],"action":"set_coefficient","row":"NAME","variable":"NAME","value":NUMBER}}
{{"diagnosis":["var:NAME"],"action":"set_bounds","variable":"NAME","lower":NUMBER,"upper":null}}
{{"diagnosis":["var:NAME"],"action":"set_type","variable":"NAME","type":"continuous"}}   (or "integer" or "binary")
{{"diagnosis":["row:NAME"],"action":"relax","row":"NAME","amount":NUMBER}}
{{"diagnosis":["row:NAME"],"action":"drop","row":"NAME"}}
{{"action":"inspect","name":"NAME"}}
{{"action":"get_conflict"}}
{{"action":"restore"}}   (back to the model you were given)
{{"action":"submit"}}   (stop here)

Example. The model has
  row:oven  2 bread + 3 cake <= 9
  var:bread  10 .. null
and the specification says
  [row:oven] The oven runs 90 minutes; a bread takes 2 minutes, a cake 3.
  [var:bread] At least 10 loaves are promised.
The row oven says 9 where the specification says 90, so the answer is
{_EXAMPLE_MOVE}"""
