"""`lit-grpo fit | validate | test | predict`: LightningCLI on this package's modules, data modules and callbacks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lit_grpo.commands.command import Command


def run(name: str, words: Sequence[str]) -> int:
    """Hand over to cli.py, which parses the words itself."""
    from lit_grpo.cli import main

    return main([name, *words])


def _command(name: str, summary: str) -> Command[Sequence[str]]:
    return Command(name, summary, parse=list, run=partial(run, name))


COMMANDS = (
    _command("fit", "train a policy, from demonstrations or by reinforcement learning"),
    _command("validate", "play the validation tasks with a policy"),
    _command("test", "play the test tasks with a policy, and write its scores"),
    _command("predict", "repair your own infeasible programs with a policy"),
)
