"""What scripts/benchmarks/rollouts.py compares, and how each part is watched."""
