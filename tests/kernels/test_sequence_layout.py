"""Boundaries are read as transformers reads them, and packing and unpacking are inverse."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.masking_utils import find_packed_sequence_indices

from luthier.kernels.sequence_layout import SequenceLayout


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_positions_are_read_as_transformers_reads_them(lengths: list[int]) -> None:
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    layout = SequenceLayout.from_positions(positions)
    indices = find_packed_sequence_indices(positions)
    found = torch.cat([torch.full((s.end - s.start,), i) for i, s in enumerate(layout.query_spans)])
    assert found.tolist() == (torch.zeros_like(found) if indices is None else indices[0]).tolist()
    assert layout.num_tokens == sum(lengths)


def test_every_row_begins_a_sequence() -> None:
    assert SequenceLayout.from_positions(torch.tensor([[0, 1, 2], [3, 4, 0]])).boundaries == (0, 3, 5, 6)
    assert SequenceLayout.from_rows(3, 4).boundaries == (0, 4, 8, 12)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), min_size=1, max_size=5), st.integers(0, 3))
def test_padded_rows_come_back_with_zeros_for_padding(rows: list[tuple[int, int]], extra: int) -> None:
    """Each row is (padding on its left, tokens), with the rest on its right."""
    width = max(left + count for left, count in rows) + extra
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for number, (left, count) in enumerate(rows):
        mask[number, left : left + count] = 1
    layout = SequenceLayout.from_mask(mask)
    assert layout is not None
    assert [span.end - span.start for span in layout.query_spans] == [count for _, count in rows]
    values = torch.arange(1.0, mask.numel() * 2 + 1).view(*mask.shape, 2)
    packed = layout.pack(values)
    assert packed.shape == (1, int(mask.sum()), 2)
    torch.testing.assert_close(packed[0], values[mask.bool()])
    torch.testing.assert_close(layout.unpack(packed, tuple(mask.shape)), values * mask[..., None])  # type: ignore[arg-type]


def test_masks_that_are_no_single_run_are_refused() -> None:
    assert SequenceLayout.from_mask(torch.tensor([[1, 0, 1]])) is None
    assert SequenceLayout.from_mask(torch.tensor([[1, 1, 1], [0, 0, 0]])) is None
    assert SequenceLayout.from_mask(torch.tensor([[1, 0, 1], [0, 1, 1]])) is None


def test_block_masks() -> None:
    """Two queries after one earlier key; the last column is filling."""
    layout, hidden = SequenceLayout((0, 4)), -torch.inf
    mask = layout.mask_QK(2, 4, 1, None, torch.float32)
    assert mask.tolist() == [[0, 0, hidden, hidden], [0, 0, 0, hidden]]
    windowed = layout.mask_QK(2, 4, 1, 2, torch.float32)
    assert windowed.tolist() == [[0, 0, hidden, hidden], [hidden, 0, 0, hidden]]
    assert layout.mask_QK(2, 4, 1, None, torch.float32) is mask, "all layers share it"
