"""TextSide: what turns prompts into tokens, without the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from luthier.core.errors import DataError, ModelError, TemplateError
from luthier.core.files import read_json
from luthier.data.template import ChatTemplate
from luthier.models.chat_model import load_text_side
from luthier.models.load import ResultRecord, locate_base
from luthier.prompts.prompt import Rendered
from luthier.prompts.sections import PromptFile


class TextSide:
    """A tokenizer with its template, and how much its model reads.

    Args:
        tokenizer: Of the model.
        template: None for a model of raw text.
        max_positions: Longest text in tokens.
    """

    def __init__(self, tokenizer: Any, template: ChatTemplate | None, max_positions: int) -> None:
        self.tokenizer = tokenizer
        self.template = template
        # Some tokenizers name no longest text, which transformers writes as 10^30.
        self.max_positions = min(max_positions, int(tokenizer.model_max_length))

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Read a base or a result.

        Raises:
            ModelError: It does not say how much it reads.
        """
        weights = folder
        if (folder / "adapter_config.json").is_file():
            record = ResultRecord.load(folder)
            adapter = read_json(folder / "adapter_config.json")
            weights = locate_base(record.base if record else str(adapter["base_model_name_or_path"]))
        has_tokenizer = (folder / "tokenizer_config.json").is_file() or (folder / "tokenizer.json").is_file()
        positions = read_json(weights / "config.json").get("max_position_embeddings")
        if positions is None:
            raise ModelError("names no max_position_embeddings", where=str(weights / "config.json"))
        return cls(*load_text_side(folder if has_tokenizer else weights), int(positions))

    def num_tokens(self, rendered: Rendered, file: PromptFile) -> int:
        """Return the tokens of a prompt."""
        return len(self.prompt_ids(rendered, file))

    def max_tokens(self, file: PromptFile) -> int:
        """Return the longest prompt that leaves room for an answer."""
        return self.max_positions - file.max_new_tokens

    def prompt_ids(self, rendered: Rendered, file: PromptFile) -> list[int]:
        """Return the tokens of a prompt.

        Raises:
            DataError: The prompt has turns that the model's template refuses, or it has no template.
        """
        if file.format == "text":
            return list(self.tokenizer(rendered.text)["input_ids"])
        try:
            return self._chat(rendered).prompt_ids(rendered.messages)
        except TemplateError as error:
            raise DataError(error.problem, where=rendered.row.place, cure=error.cure) from error

    def text(self, rendered: Rendered, file: PromptFile) -> str:
        """Return a prompt as the model reads it."""
        return rendered.text if file.format == "text" else self._chat(rendered).prompt_text(rendered.messages)

    def _chat(self, rendered: Rendered) -> ChatTemplate:
        if self.template is None:
            cure = "format: text, for a model of raw text"
            raise DataError("the model has no chat template", where=rendered.row.place, cure=cure)
        return self.template
