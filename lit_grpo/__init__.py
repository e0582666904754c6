"""lit_grpo: reinforcement learning, with a solver as the judge, of debugging infeasible optimisation models."""

__version__ = "0.1.0"
