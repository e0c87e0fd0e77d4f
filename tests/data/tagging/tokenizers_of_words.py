"""Small tokenizers of the families that treat blanks differently."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from tests.models.tiny_chat import make_chat_tokenizer

PIECES = ["em", "##pire", "empire", "state", "##s", "it", "'", "s", "one", "two", "天", "气", "很", "好", ".", "[", "]",
          "se", "##p", "sep", "un", "##believ", "##able"]  # fmt: skip


def bert() -> Any:
    """WordPiece in BERT's way: Chinese characters stand alone, control characters vanish."""
    vocabulary = {name: n for n, name in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *PIECES])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def byte_level() -> Any:
    """GPT-2's way: the blank before a word is part of its token."""
    return make_chat_tokenizer()


def prepended() -> Any:
    """Llama's way: the tokenizer puts its mark before every text itself."""
    vocabulary = {
        name: n for n, name in enumerate(["<unk>", "<s>", "▁", "▁one", "▁two", "o", "n", "e", "t", "w"])
    }
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", ignore_merges=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>")
