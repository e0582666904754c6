"""Worked values of two sequences of four tokens, one of them with two tokens that are not the policy's.

1. Losses agree to 1e-9 in float64 and 1e-5 in float32, and so do the advantages of a group of six.
2. So do all rows of random files, with other masks, ragged lengths, constants and batch sizes, written by the loops of
   tests/losses/loop_reference.py: each surrogate with each weight under each reduction.
3. scripts/audits/check_losses.py prints every comparison and ends with 0; with 1 if a value is off by 2e-9; a row it
   does not know, and what is missing for one it does, are named.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "losses"))
from check_losses import compare_advantages, compare_losses, main
from loop_reference import all_rows, random_file

GOLDENS_FILE = Path(__file__).parent / "loss_goldens.json"
GOLDENS: dict[str, Any] = json.loads(GOLDENS_FILE.read_text(encoding="utf8"))
DTYPES = [torch.float64, torch.float32]


def differing(file: dict[str, Any], dtype: torch.dtype) -> list[str]:
    found = [*compare_losses(file, dtype), *compare_advantages(file, dtype)]
    assert len(found) == len(file["values"]) + 3 * len(file["advantages"]["rewards"])
    return [str(comparison) for comparison in found if not comparison.agrees]


@pytest.mark.parametrize("dtype", DTYPES)
def test_1_shipped_values(dtype: torch.dtype) -> None:
    assert differing(GOLDENS, dtype) == []


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(6))
def test_2_random_files(seed: int, dtype: torch.dtype) -> None:
    assert differing(random_file(seed), dtype) == []


def written(folder: Path, file: dict[str, Any]) -> list[str]:
    path = folder / "file.json"
    path.write_text(json.dumps(file), encoding="utf8")
    return [str(path)]


def test_3_the_script_prints_and_judges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(GOLDENS_FILE)]) == 0
    printed = capsys.readouterr().out
    assert all(printed.count(f"{row} float") == 2 for row in GOLDENS["values"])
    file = random_file(0)
    row = all_rows()[0]
    file["values"][row] *= 1 + 2e-9
    assert main(written(tmp_path, file)) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "DIFFERS" in line]
    assert line.startswith(f"{row} float64")


@pytest.mark.parametrize("row", ["clipped", "ppo/token_mean", "clipped+half/token_mean", "kl_k3+token_mask/token_mean"])
def test_3_unknown_rows_are_named(row: str, tmp_path: Path) -> None:
    file = random_file(0)
    file["values"][row] = 0.0
    with pytest.raises(SystemExit, match="expected rows SURROGATE") as end:
        main(written(tmp_path, file))
    assert repr(row) in str(end.value)


def test_3_what_is_missing_is_named(tmp_path: Path) -> None:
    file = random_file(0)
    del file["inputs"]["tis_cap"]
    with pytest.raises(SystemExit, match="expected 'tis_cap' among the inputs"):
        main(written(tmp_path, file))
    file = random_file(0)
    del file["inputs"]["groups"]
    with pytest.raises(SystemExit, match=r"expected inputs\.groups, .* for .'clipped/prompt_mean'"):
        main(written(tmp_path, file))
    file["values"] = {"clipped/token_mean": file["values"]["clipped/token_mean"]}
    assert main(written(tmp_path, file)) == 0
    file["inputs"]["mask"] = [[0] * len(mask) for mask in file["inputs"]["mask"]]
    with pytest.raises(SystemExit, match="expected a token whose mask is 1"):
        main(written(tmp_path, file))
