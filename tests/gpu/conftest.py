"""Tests that need a GPU: marked ``gpu``, and skipped where torch sees none. ``python -m pytest -m gpu tests/gpu``."""

import sys
from pathlib import Path

import pytest
import torch

# The fits of tests/end_to_end, which these tests repeat on the GPU.
sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU, and torch sees no CUDA device")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            item.add_marker(needs_gpu)
