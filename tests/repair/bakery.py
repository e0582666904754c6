"""A file of a bakery with one nought too few, and what is said of it: for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable

from lit_grpo.repair.attempts import AskedPolicy

MakePolicy = Callable[..., AskedPolicy]
"""The fixture ``make_policy``."""

BREAD = """\\ What a bakery makes.
Maximize
 profit: 3 bread + 5 cake
Subject To
 demand: bread + cake >= 12
 oven: 2 bread + 3 cake <= 9   \\ hours
 shop: bread <= 40
Bounds
 cake <= 8
End
"""
"""12 pieces need at least 24 of the oven, at 2 a bread: it has 9, of a meant 90."""

TEXT = """row:demand: At least 12 pieces are ordered, of bread and cake.
row:oven: The oven has 90 hours at most: 2 for a bread, 3 for a cake.
No more than 8 cakes are sold.
"""
