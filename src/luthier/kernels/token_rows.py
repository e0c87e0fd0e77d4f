"""Some rows of embedding and head train, the others stay: PEFT's trainable tokens without a copy of the whole matrix.

PEFT writes the trained rows into a copy of the matrix at every call, and autograd then makes a gradient of the whole.
Here the embedding looks the rows up where a token has one, and the head's loss sums the gradient of those rows alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from luthier.kernels.patch import Patch

# Shapes: R trained rows, V vocabulary, D hidden width.

Places = Tensor | slice
"""Which rows of the matrix train: a slice where they stand together, so that no copy is made of what they select."""


@dataclass(frozen=True)
class TrainedRows:
    """Rows that stand in the place of some of a layer's.

    Args:
        layer: The frozen layer.
        ids_R: Numbers of the rows.
        values_RD: Their values; they train.
        places: ``ids_R``, as a slice where they stand together.
    """

    layer: Any
    ids_R: Tensor
    values_RD: Tensor
    places: Places

    def merged_into(self, weight_VD: Tensor) -> Tensor:
        """Return the layer's matrix with the rows in place, in its type, without gradient."""
        values = self.values_RD.detach().to(weight_VD.dtype)
        return weight_VD.detach().index_copy(0, self.ids_R, values)


def trained_rows(layer: Any) -> TrainedRows | None:
    """Return the rows that train in a layer under PEFT's ``trainable_token_indices``, or None.

    Args:
        layer: An embedding or head as the model has it.
    """
    adapter = getattr(layer, "token_adapter", None)
    if adapter is None or adapter.merged or adapter.disable_adapters or len(adapter.active_adapters) != 1:
        return None
    name = adapter.active_adapters[0]
    if name not in adapter.trainable_tokens_delta:
        return None
    ids_R, places = _places(layer, tuple(adapter.token_indices[name]))
    return TrainedRows(adapter.base_layer, ids_R, adapter.trainable_tokens_delta[name], places)


def _places(layer: Any, ids: tuple[int, ...]) -> tuple[Tensor, Places]:
    """Return the rows' numbers as a tensor and for selection; made once a layer."""
    known = getattr(layer, "luthier_places", None)
    if known is None or known[0] != ids:
        ids_R = torch.tensor(ids)
        is_run = ids == tuple(range(ids[0], ids[0] + len(ids)))
        known = ids, ids_R, slice(ids[0], ids[0] + len(ids)) if is_run else ids_R
        layer.luthier_places = known
    return known[1], known[2]


class RowEmbedding:
    """Mixin that is put before PEFT's wrapper of an embedding of which some rows train."""

    luthier_dtype: torch.dtype

    def forward(self, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the embeddings; a token that has a trained row gets that."""
        module: Any = self
        rows = trained_rows(module)
        if rows is None or args or kwargs:
            plain: Tensor = super().forward(input, *args, **kwargs)  # type: ignore[misc]
            return plain.to(module.luthier_dtype)
        if module.luthier_lookup is None or len(module.luthier_lookup) != rows.layer.num_embeddings:
            lookup = torch.full((rows.layer.num_embeddings,), -1, dtype=torch.int64)
            lookup[rows.ids_R] = torch.arange(len(rows.ids_R))
            module.luthier_lookup = lookup
        place = module.luthier_lookup[input]
        own = nn.functional.embedding(place.clamp(min=0), rows.values_RD).to(module.luthier_dtype)
        return torch.where((place >= 0).unsqueeze(-1), own, rows.layer(input).to(module.luthier_dtype))


def patch_token_rows(base: Any, patch: Patch) -> None:
    """Look trained rows up instead of copying the embedding."""
    embedding = base.get_input_embeddings()
    if trained_rows(embedding) is None:
        return
    layer = embedding.token_adapter.base_layer
    if getattr(layer, "embed_scale", None) is not None or layer.max_norm is not None:
        patch.report("trained token rows", 0, ["the embedding scales what it looks up"])
        return
    patch.mix_in(embedding, RowEmbedding, luthier_dtype=patch.dtype, luthier_lookup=None)
    patch.report("trained token rows", 1, [])
