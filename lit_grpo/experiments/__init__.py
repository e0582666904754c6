"""Whole studies as one command each: they make the runs, and hand the run folders to reports/."""
