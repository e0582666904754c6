"""Curricula: which kinds of fault, at which difficulty, the tasks of the next batch have."""
