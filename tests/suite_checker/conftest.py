"""An option for those who change the checker: spoil each record in every place."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-corruption", action="store_true", help="minutes instead of seconds (suite_checker)")
