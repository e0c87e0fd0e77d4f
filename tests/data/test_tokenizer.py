"""Loading a base's tokenizer: what is missing is named, and padding never hides an end token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import ModelError
from luthier.data.template import ChatTemplate
from luthier.data.tokenizer import load_tokenizer
from tests.data.chat_templates import CHATML, make_tokenizer


def _saved(folder: Path, **named: Any) -> Path:
    make_tokenizer(CHATML, **named).save_pretrained(folder)
    return folder


def test_own_pad_token_is_kept(tmp_path: Path) -> None:
    assert load_tokenizer(_saved(tmp_path)).pad_token == "<pad>"


def test_without_pad_token_the_end_token_pads_and_a_notice_says_so(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(_saved(tmp_path, pad_token=None))
    assert tokenizer.pad_token == tokenizer.eos_token == "<|im_end|>"
    assert any("padding uses the end token" in notice for notice in ChatTemplate(tokenizer).notices)


def test_neither_pad_nor_end_token(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="neither a pad token nor an end token") as caught:
        load_tokenizer(_saved(tmp_path, pad_token=None, eos_token=None))
    assert caught.value.where == str(tmp_path) and "eos_token" in str(caught.value.cure)


def test_template_is_loaded_with_it(tmp_path: Path) -> None:
    assert load_tokenizer(_saved(tmp_path)).chat_template == CHATML.template


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        load_tokenizer(tmp_path / "none")


@pytest.mark.parametrize("content", ["", "{", '{"model": {}}', json.dumps({"version": "1.0"})])
def test_broken_tokenizer(tmp_path: Path, content: str) -> None:
    (_saved(tmp_path) / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        load_tokenizer(tmp_path)
    assert "tokenizer.json" in str(caught.value.cure)


def test_folder_without_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_tokenizer(tmp_path)
