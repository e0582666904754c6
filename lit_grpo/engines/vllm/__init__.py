"""Rollouts on vLLM: servers that sample (one process each), and the engine of a training that talks to them."""
