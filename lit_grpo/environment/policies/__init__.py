"""Policies that need no model: trivial ones, searchers, attackers, and readers of the specification."""
