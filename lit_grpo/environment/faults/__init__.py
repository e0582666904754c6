"""Faults that make a true program infeasible, kind by kind, each with a certificate that the solver has checked."""
