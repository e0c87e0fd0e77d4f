"""Batches: packed and padded carry the same loss, and no label crosses from one row into the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from luthier.data.collate import Batch, collate_packed, collate_padded
from luthier.data.example import IGNORED, Example

MakeRows = Callable[..., list[Example]]


def _targets(batch: Batch) -> list[tuple[int, int]]:
    """Return (token before, label) for every label that enters the loss, as the shifted loss sees them."""
    before, labels = batch.input_ids[:, :-1].flatten(), batch.labels[:, 1:].flatten()
    return [(int(b), int(t)) for b, t in zip(before, labels, strict=True) if t != IGNORED]


def _expected(rows: list[Example]) -> list[tuple[int, int]]:
    return [
        (int(row.input_ids[i - 1]), int(row.labels[i]))
        for row in rows
        for i in range(1, len(row.labels))
        if row.labels[i] != IGNORED
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 8), seed=st.integers(0, 1000), trains_first=st.booleans())
def test_packed_and_padded_train_the_same(
    make_rows: MakeRows, count: int, seed: int, trains_first: bool
) -> None:
    rows = make_rows(count, seed=seed)
    if trains_first:  # as with loss_on: all
        rows = [Example(row.input_ids, row.input_ids.copy(), row.source, row.row) for row in rows]
    packed, padded = collate_packed(rows), collate_padded(rows, pad_token_id=0)
    assert _targets(packed) == _targets(padded) == _expected(rows)
    assert packed.num_supervised == padded.num_supervised == len(_expected(rows))
    assert packed.places == padded.places == tuple(row.place for row in rows)
    assert packed.cu_seqlens.tolist() == padded.cu_seqlens.tolist()


def test_packed_positions_restart_with_every_row(make_rows: MakeRows) -> None:
    rows = make_rows(3)
    batch = collate_packed(rows)
    lengths = [len(row.input_ids) for row in rows]
    assert batch.position_ids.tolist() == [[i for length in lengths for i in range(length)]]
    assert (
        batch.cu_seqlens.tolist() == [0, *np.cumsum(lengths).tolist()]
        and batch.cu_seqlens.dtype == torch.int32
    )
    assert batch.attention_mask is None
    assert batch.input_ids.tolist() == [[t for row in rows for t in row.input_ids.tolist()]]


def test_first_label_of_a_packed_row_is_masked() -> None:
    ids = np.array([5, 6], dtype=np.int32)
    rows = [Example(ids, ids.copy(), "a", 1), Example(ids, ids.copy(), "a", 2)]
    assert collate_packed(rows).labels.tolist() == [[IGNORED, 6, IGNORED, 6]]


def test_padding_is_masked_by_length_and_not_by_token() -> None:
    """The padding token is the end token here; the end must still be trained."""
    end = 1
    first = np.array([5, 6, end], dtype=np.int32)
    second = np.array([5, end, 6, 7, end], dtype=np.int32)
    batch = collate_padded([Example(first, first, "a", 1), Example(second, second, "a", 2)], pad_token_id=end)
    assert batch.input_ids.tolist() == [[5, 6, end, end, end], [5, end, 6, 7, end]]
    assert batch.labels.tolist() == [[IGNORED, 6, end, IGNORED, IGNORED], [IGNORED, end, 6, 7, end]]
    assert batch.attention_mask is not None and batch.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1] * 5]


def test_rows_are_not_changed(make_rows: MakeRows) -> None:
    rows = [Example(row.input_ids, row.input_ids.copy(), row.source, row.row) for row in make_rows(3)]
    before = [row.labels.copy() for row in rows]
    collate_packed(rows)
    collate_padded(rows, 0)
    assert all((row.labels == labels).all() for row, labels in zip(rows, before, strict=True))


def test_to_moves_every_tensor(make_rows: MakeRows) -> None:
    for batch in (collate_packed(make_rows(2)), collate_padded(make_rows(2), 0)):
        moved = batch.to("meta")
        tensors = (moved.input_ids, moved.labels, moved.position_ids, moved.cu_seqlens, moved.attention_mask)
        assert {t.device.type for t in tensors if t is not None} == {"meta"}
        assert moved.num_supervised == batch.num_supervised


def test_every_label_has_the_weight_of_its_row(make_rows: MakeRows) -> None:
    rows = [replace(row, weight=weight) for row, weight in zip(make_rows(3), (0.5, 1.0, 3.0), strict=True)]
    for batch in (collate_packed(rows), collate_padded(rows, 0)):
        assert batch.label_weights is not None and batch.label_weights.shape == batch.labels.shape
        found = batch.label_weights[batch.labels != IGNORED].tolist()
        assert found == [row.weight for row in rows for _ in range(row.num_supervised)]
        assert batch.weight == sum(found)


def test_rows_of_weight_one_carry_no_weights(make_rows: MakeRows) -> None:
    for batch in (collate_packed(make_rows(3)), collate_padded(make_rows(3), 0)):
        assert batch.label_weights is None and batch.weight == batch.num_supervised


def _of_task(lengths: tuple[int, ...], target: str, weights: tuple[float, ...]) -> list[Example]:
    rows = []
    for number, (length, weight) in enumerate(zip(lengths, weights, strict=True)):
        ids = np.arange(1, length + 1, dtype=np.int32)
        labels = ids % 3 if target == "token" else np.array([number, number + 1], dtype=np.int32)
        types = (ids > 2).astype(np.int32) if number else None
        rows.append(
            Example(ids, labels, "a", number, weight=weight, target=target, token_type_ids=types)  # type: ignore[arg-type]
        )
    return rows


def test_labels_of_rows_stand_row_by_row_with_a_weight_each() -> None:
    batch = collate_padded(_of_task((4, 2), "row", (1.0, 3.0)), pad_token_id=0)
    assert batch.labels.tolist() == [[0, 1], [1, 2]]
    assert (batch.num_supervised, batch.weight) == (2, 4.0)
    assert batch.label_weights is not None and batch.label_weights.tolist() == [1.0, 3.0]
    assert batch.token_type_ids is not None and batch.token_type_ids.shape == batch.input_ids.shape


def test_labels_of_tokens_are_not_shifted_and_the_first_counts() -> None:
    batch = collate_padded(_of_task((3, 2), "token", (1.0, 2.0)), pad_token_id=0)
    assert batch.labels.tolist() == [[1, 2, 0], [1, 2, IGNORED]]
    assert (batch.num_supervised, batch.weight) == (5, 7.0)
    assert batch.label_weights is not None and batch.label_weights.tolist() == [[1.0] * 3, [2.0] * 3]
    assert batch.unweighted().weight == 5.0


def test_segments_are_filled_with_zeros_where_a_row_has_none() -> None:
    batch = collate_padded(_of_task((2, 4), "row", (1.0, 1.0)), pad_token_id=9)
    assert batch.token_type_ids is not None and batch.token_type_ids.tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]
