"""The study of real size in small: the arms of its gate are fits of `lit-grpo`, its page is made from what they left.

A second call trains nothing again.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_small_base import SHAPE

from lit_grpo.commands.main import main
from lit_grpo.experiments.base_model import FOLLOW_UPS, make_base_model
from lit_grpo.experiments.small_base import names_and_texts

ARMS = ("sft", "sft_compute_matched", "sft_grpo")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Random weights of one layer, with a tokenizer such as the small base has."""
    names, texts = names_and_texts(60, seed=0)
    folder = tmp_path / "base"
    make_base_model(folder, [*texts, *FOLLOW_UPS * 50], names, 0, SHAPE)
    return folder


def test_the_gate_and_its_page(base: Path, tmp_path: Path) -> None:
    study, page = tmp_path / "study", tmp_path / "page.md"
    words = ["study", "real-size", "--smoke", "--base", str(base), "--output", str(study), "--jobs", "2"]
    assert main(words) == 0
    document = json.loads((study / "gate.json").read_text())
    assert tuple(document["comparison"]["arms"]) == ARMS
    assert document["comparison"]["tasks"] == 9
    assert document["comparison"]["baselines"]["oracle"]["metrics"]["RR@5"] == 1.0
    assert set(document["first_moves"]) == set(ARMS)
    assert all((study / figure).stat().st_size for figure in document["figures"].values())

    fitted = [(study / "gate" / "arms" / arm / "fit.json").stat().st_mtime_ns for arm in ARMS]
    assert main(words) == 0
    assert [(study / "gate" / "arms" / arm / "fit.json").stat().st_mtime_ns for arm in ARMS] == fitted

    page.write_text("# Title\n\n<!-- results: begin -->\n<!-- results: end -->\n")
    assert main([*words, "--page", str(page)]) == 0
    text = page.read_text()
    assert "**A smoke run: the figures mean nothing.**" in text
    assert "**Not run yet: claim, fresh, curriculum, ablations.**" in text
    assert (tmp_path / document["figures"]["cells"]).is_file()
