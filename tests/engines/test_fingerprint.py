"""The fingerprint of weights.

1. It is what the formula says: worked in Python's own integers, over several chunks.
2. Any change of a bit, a place, a name or an order is seen: among them a sign, the sign of zero, two elements that
   change places, two tensors that do.
3. Equal bits have equal fingerprints, wherever they lie: a copy, a transposed view, a slice of something larger.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lit_grpo.engines import fingerprint as module
from lit_grpo.engines.fingerprint import fingerprint


def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {"a": torch.randn(7, 5), "b": torch.randn(7, 5).bfloat16(), "c": torch.zeros(3), "d": torch.randn(0)}


def test_1_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)
    values = torch.tensor([1.0, -2.5, 3e-9, 0.0, -0.0, 7.25, 1e30])
    bits = [struct.unpack("<i", struct.pack("<f", value))[0] for value in values.tolist()]
    places = module._odd_numbers(4, torch.device("cpu")).tolist()
    assert all(place % 2 == 1 for place in places)
    sums = [sum(bit * place for bit, place in zip(part, places, strict=False)) for part in (bits[:4], bits[4:])]
    expected = sum(each * place for each, place in zip(sums, places, strict=False)) % 2**64
    assert module._sum_of_bits(values).item() % 2**64 == expected


def swap(tensor: Tensor, one: int, other: int) -> None:
    flat = tensor.view(-1)
    flat[[one, other]] = flat[[other, one]]


CHANGES: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "the last bit": lambda w: w["a"].view(torch.int32)[6, 4].bitwise_xor_(1),
    "a sign": lambda w: w["a"][0, 0].neg_(),
    "all signs": lambda w: w["a"].neg_(),
    "a sign in bfloat16": lambda w: w["b"][3, 3].neg_(),
    "the sign of zero": lambda w: w["c"][1].neg_(),
    "two elements change places": lambda w: swap(w["a"], 0, 34),
    "two tensors change names": lambda w: w.update(c=w["d"], d=w["c"]),
    "another dtype": lambda w: w.update(b=w["b"].float()),
    "another shape": lambda w: w.update(a=w["a"].view(5, 7)),
    "one is missing": lambda w: w.pop("d"),
    "not a number": lambda w: w["c"].fill_(torch.nan),
}


@pytest.mark.parametrize("name", CHANGES)
def test_2_a_change(name: str) -> None:
    changed = weights()
    CHANGES[name](changed)
    assert fingerprint(changed.items()) != fingerprint(weights().items())


def test_2_another_order() -> None:
    assert fingerprint(reversed(weights().items())) != fingerprint(weights().items())


def test_3_wherever_they_lie() -> None:
    expected = fingerprint(weights().items())
    assert fingerprint(weights().items()) == expected
    own = weights()
    own["a"] = own["a"].T.contiguous().T
    assert not own["a"].is_contiguous()
    larger = torch.randn(100)
    larger[11:46] = own["a"].reshape(-1)
    assert fingerprint(own.items()) == expected
    assert fingerprint((own | {"a": larger[11:46].view(7, 5)}).items()) == expected
