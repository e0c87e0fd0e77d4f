"""Remembered: an encoder that embeds a text once, however many prompts and commands compare it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from luthier.core.files import write_bytes
from luthier.core.hashing import fingerprint
from luthier.prompts.selection import Embed

_WORTH_KEEPING = 256
"""Texts at once from which their vectors are kept on the disk: a pool, not a question."""


class Remembered:
    """Embeds only texts that are new.

    Args:
        embed: The encoder.
        identity: Of the encoder, to keep the vectors of a pool under.
        folder: Where they are kept; None for nowhere.
    """

    def __init__(self, embed: Embed, identity: str = "", folder: Path | None = None) -> None:
        self._embed = embed
        self._identity = identity
        self._folder = folder
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of texts, shape [N, D]."""
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if new:
            self._vectors.update(zip(new, self._kept(new), strict=True))
        return np.stack([self._vectors[text] for text in texts])

    def _kept(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._folder is None or len(texts) < _WORTH_KEEPING:
            return self._embed(texts)
        path = self._folder / f"{fingerprint(self._identity, list(texts))}.npy"
        if not path.is_file():
            data = io.BytesIO()
            np.save(data, self._embed(texts), allow_pickle=False)
            write_bytes(path, data.getvalue())
        vectors: NDArray[np.float32] = np.load(path, allow_pickle=False)
        return vectors
