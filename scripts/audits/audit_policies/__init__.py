"""Policies that only audits play: attacks on the reward, searchers, and readers of whom it is known what they know."""
