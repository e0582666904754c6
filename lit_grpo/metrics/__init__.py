"""Verified numbers: what a repair run scored, with intervals, and running means of the training numbers."""
