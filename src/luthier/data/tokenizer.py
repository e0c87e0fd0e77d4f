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
    and still be trained. `ChatTemplate.notices` says so.

    Args:
        folder: Hugging Face layout.
        trust_remote_code: Run the folder's own code; only where the recipe says so.

    Raises:
        ModelError: The folder has no tokenizer, a broken one, or one that neither pads nor ends.
    """
    if not folder.is_dir():
        raise ModelError("there is no such folder", where=str(folder), cure="name the base's folder")
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=trust_remote_code
        )
    except Exception as error:  # the tokenizers library raises plain Exception for a broken file
        raise ModelError(
            f"its tokenizer cannot be loaded: {error}",
            where=str(folder),
            cure="copy tokenizer.json and tokenizer_config.json of the base into the folder",
        ) from error
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ModelError(
                "the tokenizer has neither a pad token nor an end token",
                where=str(folder),
                cure="set eos_token in its tokenizer_config.json",
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
