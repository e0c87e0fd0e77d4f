"""Where each sequence of a micro-batch stands, and back and forth between padded rows and one packed row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch
from torch import Tensor

from luthier.kernels.shared_prefixes import SharedPrefixes

# Shapes: B rows, T tokens of a row, N tokens of all sequences together, M of those that are computed,
# Q queries, K keys, F rows with those that fill up.

ROW_MULTIPLE = 32
"""What packed rows are filled up to a multiple of: oneDNN compiles every matrix product anew for each number of rows,
and keeps the code, half a megabyte a product, until the process ends."""


@dataclass(frozen=True)
class QuerySpan:
    """The computed tokens of one sequence.

    Args:
        start: Where the sequence begins among all tokens.
        end: Where it ends there.
        num_shared: Leading tokens that another sequence computes.
        first_query: Where the first of its own tokens stands among the computed ones.
    """

    start: int
    end: int
    num_shared: int
    first_query: int


@dataclass
class SequenceLayout:
    """Boundaries of the sequences that stand one after another in a packed row.

    Args:
        boundaries: Start of each sequence, then the end of the last: ``0 = b0 < b1 < … = N``.
        scatter_N: Place of each packed token in the flattened padded batch; None where the batch had no padding.
        padded_shape: (B, T) of that padded batch.
        shared: Beginnings that sequences have in common and that are computed once; None where there are none.
        multiple: The packed row is filled up to a multiple of so many rows.
    """

    boundaries: tuple[int, ...]
    scatter_N: Tensor | None = None
    padded_shape: tuple[int, int] | None = None
    shared: SharedPrefixes | None = None
    multiple: int = 1
    _masks: dict[tuple[int, int, int, int | None, torch.dtype], Tensor] = field(
        default_factory=dict, repr=False
    )

    @property
    def num_tokens(self) -> int:
        """Tokens of all sequences."""
        return self.boundaries[-1]

    @property
    def num_computed(self) -> int:
        """Tokens that are computed: all but those that another sequence lends."""
        return self.num_tokens if self.shared is None else len(self.shared.computed_M)

    @property
    def query_spans(self) -> list[QuerySpan]:
        """The computed tokens of each sequence, in the order of the packed row."""
        spans, first_query = [], 0
        for number, (start, end) in enumerate(pairwise(self.boundaries)):
            num_shared = self.shared.lengths[number] if self.shared else 0
            spans.append(QuerySpan(start, end, num_shared, first_query))
            first_query += end - start - num_shared
        return spans

    def sharing_prefixes(self, tokens_BT: Tensor, positions_BT: Tensor) -> SequenceLayout:
        """Return the layout in which the beginnings that sequences have in common are computed once.

        Args:
            tokens_BT: Token ids, as `pack` takes them.
            positions_BT: Their positions.
        """
        unshared = replace(self, shared=None)
        tokens_N, positions_N = (
            unshared.pack(values)[0, : self.num_tokens] for values in (tokens_BT, positions_BT)
        )
        return replace(unshared, shared=SharedPrefixes.find(tokens_N, positions_N, self.boundaries))

    @classmethod
    def from_rows(cls, num_rows: int, row_length: int) -> SequenceLayout:
        """Every row is one sequence of full length."""
        return cls(tuple(range(0, num_rows * row_length + 1, row_length)))

    @classmethod
    def from_positions(cls, position_ids_BT: Tensor) -> SequenceLayout:
        """A sequence begins with each row and wherever the positions do not go on by one.

        Reference:
            transformers, ``masking_utils.find_packed_sequence_indices``.
        """
        starts_BT = torch.ones_like(position_ids_BT, dtype=torch.bool)
        starts_BT[:, 1:] = position_ids_BT.diff(dim=1) != 1
        starts = starts_BT.flatten().nonzero().flatten().tolist()
        return cls((*starts, position_ids_BT.numel()))

    @classmethod
    def from_mask(cls, mask_BT: Tensor) -> SequenceLayout | None:
        """Read padded rows; None where a row's real tokens are not one unbroken run, or a row has none."""
        mask_BT = mask_BT.bool()
        if bool(mask_BT.all()):
            return cls.from_rows(*mask_BT.shape)
        lengths = mask_BT.sum(dim=1)
        num_rises = (mask_BT[:, 1:] & ~mask_BT[:, :-1]).sum(dim=1) + mask_BT[:, 0]
        if not bool((num_rises == 1).all()):
            return None
        boundaries = (0, *lengths.cumsum(0).tolist())
        scatter_N = mask_BT.flatten().nonzero().flatten()
        return cls(boundaries, scatter_N, (mask_BT.shape[0], mask_BT.shape[1]))

    def pack(self, values_BTx: Tensor) -> Tensor:
        """Return the computed tokens of padded rows as one row [1, F, …]; rows without padding are put end to end.

        What fills the row up repeats the first token and meets no other: attention gives it zeros, and `unpack`
        leaves it out.
        """
        flat = values_BTx.reshape(-1, *values_BTx.shape[2:])
        if self.scatter_N is not None:
            flat = flat.index_select(0, self.scatter_N)
        if self.shared is not None:
            flat = flat.index_select(0, self.shared.computed_M)
        if num_filling := -len(flat) % self.multiple:
            flat = torch.cat([flat, flat[:1].expand(num_filling, *flat.shape[1:])])
        return flat.unsqueeze(0)

    def unpack(self, values_1Fx: Tensor, shape: tuple[int, int]) -> Tensor:
        """Put a packed row back into rows of ``shape``; padding becomes zero."""
        flat = values_1Fx[0, : self.num_computed]
        if self.shared is not None:
            flat = flat.index_select(0, self.shared.place_N)
        if self.scatter_N is not None:
            flat = flat.new_zeros(shape[0] * shape[1], *flat.shape[1:]).index_copy(0, self.scatter_N, flat)
        return flat.reshape(*shape, *flat.shape[1:])

    def mask_QK(
        self, num_queries: int, num_keys: int, lead: int, window: int | None, dtype: torch.dtype
    ) -> Tensor:
        """Return the causal bias of one block: 0 where a query may look, -inf elsewhere; kept for all layers.

        Args:
            num_queries: Rows.
            num_keys: Columns; those beyond the last query are never seen.
            lead: Keys that stand before the first query.
            window: A query sees itself and the ``window - 1`` tokens before it; None for all.
            dtype: Of the scores.
        """
        key = (num_queries, num_keys, lead, window, dtype)
        if key not in self._masks:
            query_Q1 = torch.arange(lead, lead + num_queries)[:, None]
            key_1K = torch.arange(num_keys)[None, :]
            hidden_QK = key_1K > query_Q1
            if window is not None:
                hidden_QK |= key_1K <= query_Q1 - window
            self._masks[key] = torch.zeros(num_queries, num_keys, dtype=dtype).masked_fill_(
                hidden_QK, -torch.inf
            )
        return self._masks[key]
