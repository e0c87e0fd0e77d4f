"""Embedder: texts to vectors of unit length, by a sentence encoder such as MiniLM."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from luthier.core.errors import ModelError
from luthier.core.files import read_json
from luthier.data.tokenizer import load_tokenizer
from luthier.models.load import locate_base
from luthier.plan.base_facts import positions_of

# Shapes: N texts, B texts of a batch, T tokens of the longest of them, D width of the encoder.

_TEXTS_AT_ONCE = 4096
"""Texts that are tokenized and sorted by length together: enough for full batches, few enough for any memory."""
_SENTENCE_BERT_FILE = "sentence_bert_config.json"
_POOLING_FILE = "1_Pooling/config.json"
_LONGEST = 512


class Embedder:
    """Turn texts into vectors whose scalar product is their cosine similarity.

    The states of a text's tokens are averaged, or its first token's is taken where the encoder's folder says so.

    Args:
        base: A folder in Hugging Face layout, a name in the catalogue, or a hub id.
        max_length: Tokens of a text that are read.  [default: what the encoder was made for]
        tokens_per_batch: Size of a batch, filler included.

    Attributes:
        width: Length of a vector.
        max_length: Tokens of a text that are read.
        num_truncated: Texts so far that were longer, so that their ends do not count.

    Raises:
        ModelError: The encoder cannot be found or loaded, lacks weights, or pools in a way that is not known.
    """

    def __init__(self, base: str, *, max_length: int | None = None, tokens_per_batch: int = 2048) -> None:
        folder = locate_base(base)
        self._tokenizer = load_tokenizer(folder)
        self._model = _load_encoder(folder)
        self._takes_first_token = _takes_first_token(folder)
        self._tokens_per_batch = tokens_per_batch
        self.width = int(self._model.config.hidden_size)
        longest = _longest(folder, self._model.config)
        if max_length is not None and not 3 <= max_length <= longest:
            raise ModelError(
                f"max_length is {max_length}; {base} reads 3 to {longest} tokens", where=str(folder)
            )
        self.max_length = max_length or longest
        self.num_truncated = 0

    def __call__(
        self, texts: Sequence[str], on_progress: Callable[[int], None] = lambda texts: None
    ) -> NDArray[np.float32]:
        """Return the vectors [N, D], of unit length, in the order of the texts.

        Args:
            texts: In any language that the encoder knows.
            on_progress: Told how many texts are done.
        """
        vectors_ND = np.empty((len(texts), self.width), dtype=np.float32)
        num_done = 0
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            tokens = self._tokens(texts[start : start + _TEXTS_AT_ONCE])
            for rows in _batches(tokens, self._tokens_per_batch):
                vectors_ND[[start + row for row in rows]] = self._embed([tokens[row] for row in rows])
                num_done += len(rows)
                on_progress(num_done)
        return vectors_ND

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        # Half of a surrogate pair is no text to the tokenizers library.
        readable = [text.encode(errors="replace").decode() for text in texts]
        encoded = self._tokenizer(
            readable,
            truncation=True,
            max_length=self.max_length,
            return_overflowing_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        first: dict[int, list[int]] = {}
        cut = set()
        for tokens, text in zip(encoded["input_ids"], encoded["overflow_to_sample_mapping"], strict=True):
            if first.setdefault(text, tokens) is not tokens:
                cut.add(text)
        self.num_truncated += len(cut)
        return [first[text] for text in range(len(readable))]

    def token_states(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Return the state of each token of each text, of unit length, shape [T, D], first and last token included."""
        tokens = self._tokens(texts)
        states: list[NDArray[np.float32]] = [np.empty((0, self.width), np.float32)] * len(tokens)
        for rows in _batches(tokens, self._tokens_per_batch):
            found_BTD, _ = self._states([tokens[row] for row in rows])
            unit_BTD = torch.nn.functional.normalize(found_BTD, dim=-1).numpy()
            for row, unit_TD in zip(rows, unit_BTD, strict=True):
                states[row] = unit_TD[: len(tokens[row])]
        return states

    @torch.inference_mode()
    def _states(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the states [B, T, D] of padded texts, and which of them are tokens [B, T]."""
        longest = max(map(len, rows))
        tokens_BT = torch.full((len(rows), longest), self._tokenizer.pad_token_id)
        mask_BT = torch.zeros((len(rows), longest), dtype=torch.long)
        for number, tokens in enumerate(rows):
            tokens_BT[number, : len(tokens)] = torch.tensor(tokens)
            mask_BT[number, : len(tokens)] = 1
        return self._model(input_ids=tokens_BT, attention_mask=mask_BT).last_hidden_state, mask_BT

    @torch.inference_mode()
    def _embed(self, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        states_BTD, mask_BT = self._states(rows)
        if self._takes_first_token:
            pooled_BD = states_BTD[:, 0]
        else:
            pooled_BD = (states_BTD * mask_BT[:, :, None]).sum(1) / mask_BT.sum(1, keepdim=True)
        unit_BD: NDArray[np.float32] = torch.nn.functional.normalize(pooled_BD, dim=-1).numpy()
        return unit_BD


def _batches(tokens: Sequence[Sequence[int]], tokens_per_batch: int) -> Iterator[list[int]]:
    """Yield numbers of texts of like length, as many as fill a batch; the longest come first."""
    order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
    start = 0
    while start < len(order):
        size = max(1, tokens_per_batch // len(tokens[order[start]]))
        yield order[start : start + size]
        start += size


def _load_encoder(folder: Path) -> Any:
    from safetensors import SafetensorError
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    # Other heads' weights in the file are of no use here, and transformers would list them on the screen.
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        model, report = AutoModel.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"cannot be loaded as an encoder: {error}", where=str(folder)) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    absent = sorted({*report["missing_keys"], *map(str, report["mismatched_keys"])})
    # The pooler stands above the states that are read here; many sentence encoders come without.
    if absent := [name for name in absent if not name.startswith("pooler.")]:
        raise ModelError(
            f"lacks {len(absent)} weights of its architecture, e.g. {absent[0]}", where=str(folder)
        )
    return model.eval()


def _takes_first_token(folder: Path) -> bool:
    """Return whether sentence-transformers' file beside the weights names the first token, not the mean."""
    path = folder / _POOLING_FILE
    if not path.is_file():
        return False
    pooling = read_json(path)
    modes = {name for name, is_on in pooling.items() if name.startswith("pooling_mode_") and is_on is True}
    if modes not in ({"pooling_mode_mean_tokens"}, {"pooling_mode_cls_token"}):
        problem = (
            f"pools by {', '.join(sorted(modes)) or 'nothing'}; the mean or the first token was expected"
        )
        raise ModelError(problem, where=str(path))
    return modes == {"pooling_mode_cls_token"}


def _longest(folder: Path, config: Any) -> int:
    """Return how many tokens the encoder was made for."""
    path = folder / _SENTENCE_BERT_FILE
    asked = read_json(path).get("max_seq_length") if path.is_file() else None
    return min(int(asked or _LONGEST), positions_of(config.to_dict()))
