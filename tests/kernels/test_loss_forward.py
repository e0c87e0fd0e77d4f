"""A training call with labels gives the loss without logits; every other call gives what the model gives."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from luthier.kernels.accelerate import accelerate
from tests.kernels.families import padded, rows_of, tiny_model


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"logits_to_keep": 0},
        {"num_items_in_batch": 17},
        {"num_items_in_batch": torch.tensor(17)},
        {"shift_labels": True},
        {"ignore_index": -100},
        {"return_dict": False},
    ],
    ids=str,
)
def test_loss_equals_plain(asked: dict[str, Any]) -> None:
    given = padded(rows_of((9, 30, 4))).given()
    if "shift_labels" in asked:
        asked = {"shift_labels": torch.nn.functional.pad(given["labels"], (0, 1), value=-100)[:, 1:] * 1}
    plain, fast = tiny_model("llama"), tiny_model("llama")
    accelerate(fast)
    expected, found = (model(**given, use_cache=False, **asked) for model in (plain, fast))
    if asked.get("return_dict") is False:
        assert isinstance(found, tuple)
        expected, found = (outputs[0] for outputs in (expected, found))
        torch.testing.assert_close(found, expected)
        return
    torch.testing.assert_close(found.loss, expected.loss)
    is_fused = not {"shift_labels", "ignore_index"} & asked.keys()
    assert (found.logits is None) == is_fused


def test_calls_without_fused_loss() -> None:
    given = padded(rows_of((9, 30, 4))).given()
    plain, fast = tiny_model("llama"), tiny_model("llama")
    accelerate(fast, fused_loss=False)
    assert fast(**given).logits is not None
    accelerated = tiny_model("llama")
    accelerate(accelerated)
    assert accelerated(given["input_ids"], labels=given["labels"]).logits is not None, "positional call"
    assert accelerated.eval()(**given).logits is not None
    assert inspect.signature(accelerated.forward) == inspect.signature(plain.forward)
