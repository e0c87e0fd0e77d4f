"""Held-out loss row by row is what Hugging Face's own model computes for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from luthier.evaluate.loss import RowLosses, row_losses
from luthier.objectives.language_modeling import LanguageModeling


def _objective(packing: bool) -> LanguageModeling:
    return LanguageModeling(encoder=None, packing=packing, pad_token_id=0)  # type: ignore[arg-type]


def _hugging_face(model: Any, row: Any) -> float:
    """Return the row's summed loss by the ``labels`` argument of transformers, which shifts them inside."""
    labels = torch.from_numpy(row.labels).long()[None]
    with torch.no_grad():
        mean = model(input_ids=torch.from_numpy(row.input_ids).long()[None], labels=labels).loss
    return float(mean) * int((labels[:, 1:] != -100).sum())


@pytest.mark.parametrize("packing", [True, False], ids=["packed", "padded"])
class TestRowLosses:
    def test_equals_hugging_face_row_by_row(
        self, packing: bool, make_tiny_llama: Any, make_rows: Any
    ) -> None:
        model, rows = make_tiny_llama(), make_rows(23)
        measured = row_losses(model, _objective(packing), rows, dtype=torch.float32)
        expected = [_hugging_face(model, row) for row in rows]
        assert measured.sums == pytest.approx(np.array(expected), rel=1e-5)
        assert measured.counts.tolist() == [int((row.labels[1:] != -100).sum()) for row in rows]

    @pytest.mark.parametrize("batch_tokens", [1, 40, 10_000])
    def test_batches_change_no_row(
        self,
        packing: bool,
        batch_tokens: int,
        make_tiny_llama: Any,
        make_rows: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        model, rows = make_tiny_llama(), make_rows(15, seed=4)
        whole = row_losses(model, _objective(packing), rows, dtype=torch.float32)
        monkeypatch.setattr("luthier.data.length_batches._BATCH_TOKENS", batch_tokens)
        order = np.random.default_rng(1).permutation(len(rows))
        mixed = row_losses(model, _objective(packing), [rows[n] for n in order], dtype=torch.float32)
        assert mixed.sums == pytest.approx(whole.sums[order], rel=1e-5)
        assert mixed.counts.tolist() == whole.counts[order].tolist()

    def test_dropout_is_off_and_no_gradient_is_kept(
        self, packing: bool, make_tiny_llama: Any, make_rows: Any
    ) -> None:
        rows = make_rows(4)
        model = make_tiny_llama(attention_dropout=0.5).train()
        first, again = (row_losses(model, _objective(packing), rows, dtype=torch.float32) for _ in range(2))
        assert first.sums.tolist() == again.sums.tolist()
        assert all(parameter.grad is None for parameter in model.parameters())


def test_the_mean_counts_tokens_and_not_rows() -> None:
    # 10 nats over 1 token and 10 over 9: 20 over 10 tokens, where the mean of rows would be 5.56.
    assert RowLosses(np.array([10.0, 10.0]), np.array([1, 9])).mean == 2.0


def test_progress_reaches_the_number_of_rows(make_tiny_llama: Any, make_rows: Any) -> None:
    seen: list[int] = []
    rows = make_rows(9)
    row_losses(make_tiny_llama(), _objective(True), rows, dtype=torch.float32, on_progress=seen.append)
    assert seen[-1] == 9
    assert seen == sorted(seen)


def test_the_fast_path_runs_and_the_model_is_left_as_it_was(make_tiny_llama: Any, make_rows: Any) -> None:
    model = make_tiny_llama()
    before = [type(module) for module in model.modules()]
    during: list[list[type]] = []
    model.get_decoder().register_forward_hook(
        lambda *_: during.append([type(module) for module in model.modules()])
    )
    row_losses(model, _objective(True), make_rows(3), dtype=torch.float32)
    assert during
    assert all(types != before for types in during)
    assert [type(module) for module in model.modules()] == before
