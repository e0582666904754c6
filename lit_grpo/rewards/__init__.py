"""What an episode earns in training, from its verified score. Shaping never reaches a reported metric."""
