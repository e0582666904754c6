"""Repairs that need no model: what people's slips look like, edits that undo them, relaxations, what must stay."""
