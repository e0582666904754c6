"""Metrics: pure functions, and thin torchmetrics over them."""
