"""What scripts/benchmark_rollouts.py compares, and how each part is watched."""
