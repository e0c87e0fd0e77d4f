"""The base's tokenizer, loaded from a local folder and made fit for batches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from luthier.core.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(folder: Path, *, trust_remote_code: bool = False) -> PreTrainedTokenizerBase:
    """Load a tokenizer; one without a pad token pads with its end token.

    Padding is masked by length and never by token id, so that the end token can serve as filler
    and still be trained.

    Raises:
        ModelError: The folder has no tokenizer, or one that neither pads nor ends.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} has no tokenizer that can be loaded: {error}") from error
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ModelError(
                f"the tokenizer in {folder} has neither a pad token nor an end token",
                cure="set eos_token in its tokenizer_config.json",
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
