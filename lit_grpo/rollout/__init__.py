"""Episodes of a language model: engines that sample tokens, and the loop that plays them against the environment."""
