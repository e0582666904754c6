"""Repairs of a user's own program: what a policy finds and thinks likely, beside what is known without one."""
