"""Rewards: the pay of an episode in training, from its verified score. Shaping never reaches a reported metric."""
