"""An independent check of a suite: what is written, what a solver says of it, what must hold.

It imports nothing else of lit_grpo, so that an error there cannot hide here: MPS text is read by HiGHS, actions by a
second parser, and every figure is computed anew.
"""
