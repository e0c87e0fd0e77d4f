"""What is read of a base without loading it, from one file, from shards, and from damaged files."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from luthier.core.errors import ModelError
from luthier.plan.base_facts import layer_of, positions_of, read_base_facts

Made = Callable[..., Any]


@pytest.fixture
def base(make_tiny_llama: Made, tmp_path: Path) -> Path:
    make_tiny_llama().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def weights_of(folder: Path) -> Path:
    return next(folder.glob("*.safetensors"))


def test_a_folder_is_described(base: Path, make_tiny_llama: Made) -> None:
    facts = read_base_facts(base)
    model = make_tiny_llama()
    assert (facts.architecture, facts.model_type) == ("LlamaForCausalLM", "llama")
    assert (facts.max_positions, facts.vocab_size, facts.num_layers) == (256, 97, 2)
    assert facts.is_causal_lm
    assert dict(facts.shapes) == {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert facts.num_parameters == sum(p.numel() for p in model.parameters())
    assert facts.num_parameters_of("model.norm.weight") == 32
    assert len(facts.linear_layers()) == 14
    assert facts.linear_layers()["model.layers.1.mlp.down_proj"] == (32, 48)


def test_a_sharded_folder_says_the_same(base: Path, make_tiny_llama: Made, tmp_path: Path) -> None:
    make_tiny_llama().save_pretrained(tmp_path / "sharded", max_shard_size="20KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    assert read_base_facts(tmp_path / "sharded").shapes == read_base_facts(base).shapes


def test_a_second_copy_of_the_weights_is_not_counted(base: Path) -> None:
    """Mistral's repositories hold consolidated.safetensors besides; transformers does not load it."""
    shapes = read_base_facts(base).shapes
    (base / "consolidated.safetensors").write_bytes(header({"a": ENTRY}) + bytes(8))
    assert read_base_facts(base).shapes == shapes


def test_a_missing_shard_is_an_error(make_tiny_llama: Made, tmp_path: Path) -> None:
    make_tiny_llama().save_pretrained(tmp_path, max_shard_size="20KB")
    sorted(tmp_path.glob("*.safetensors"))[1].unlink()
    with pytest.raises(ModelError, match=r"lacks model-00002"):
        read_base_facts(tmp_path)


def test_a_damaged_index_is_an_error(make_tiny_llama: Made, tmp_path: Path) -> None:
    make_tiny_llama().save_pretrained(tmp_path, max_shard_size="20KB")
    for content in ("{", "[]", '{"weight_map": 3}'):
        (tmp_path / "model.safetensors.index.json").write_text(content)
        with pytest.raises(ModelError, match=r"index\.json"):
            read_base_facts(tmp_path)


def header(value: Any, length: int | None = None) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
DAMAGED = {
    "empty": b"",
    "cut length": b"\x10\x00\x00",
    "length over the end": header({}, length=1000),
    "huge length": header({}, length=2**63),
    "no JSON": header(b"{'a': 1}"),
    "no UTF-8": header(b'{"\xff": 1}'),
    "an empty list": header([]),
    "a list": header([1, 2]),
    "a tensor that is a number": header({"a": 3}),
    "no offsets": header({"a": {"dtype": "F32", "shape": [2]}}) + bytes(8),
    "no shape": header({"a": {"dtype": "F32", "data_offsets": [0, 8]}}) + bytes(8),
    "offsets of text": header({"a": {**ENTRY, "data_offsets": ["x", "y"]}}) + bytes(8),
    "cut data": header({"a": ENTRY}) + bytes(7),
    "data too long": header({"a": ENTRY}) + bytes(9),
    "a git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_an_error_that_names_it(name: str, base: Path) -> None:
    path = weights_of(base)
    path.write_bytes(DAMAGED[name])
    with pytest.raises(ModelError, match=path.name):
        read_base_facts(base)


def test_the_whole_file_of_the_table_passes(base: Path) -> None:
    weights_of(base).write_bytes(header({"a": ENTRY, "__metadata__": {"format": "pt"}}) + bytes(8))
    assert read_base_facts(base).shapes == {"a": (2,)}


@pytest.mark.parametrize("cut", [1, 100, 5000])
def test_a_file_cut_by_any_amount_is_an_error(cut: int, base: Path) -> None:
    path = weights_of(base)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ModelError, match="copy the file again|header promises"):
        read_base_facts(base)


@pytest.mark.parametrize(
    "config",
    [None, "{", "[]", '"text"', '{"text_config": 3}', '{"vocab_size": "many"}', '{"architectures": 7}'],
)
def test_a_damaged_configuration_is_an_error(config: str | None, base: Path) -> None:
    (base / "config.json").unlink()
    if config is not None:
        (base / "config.json").write_text(config)
    with pytest.raises(ModelError, match=r"config\.json"):
        read_base_facts(base)


def test_a_configuration_may_nest_its_text_model(base: Path) -> None:
    """Multimodal families keep vocabulary and positions in text_config."""
    content = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "text_config": {"vocab_size": 11, "max_position_embeddings": 64},
    }
    (base / "config.json").write_text(json.dumps(content))
    facts = read_base_facts(base)
    assert (facts.vocab_size, facts.max_positions, facts.is_causal_lm) == (11, 64, True)


def test_an_unbounded_base_has_no_longest_sequence(base: Path) -> None:
    (base / "config.json").write_text('{"architectures": ["BloomForCausalLM"], "vocab_size": 3}')
    assert read_base_facts(base).max_positions > 1_000_000


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("model.layers.11.mlp.up_proj.weight", 11),
        ("transformer.h.3.attn.c_attn.weight", 3),
        ("transformer.blocks.7.norm.weight", 7),
        ("model.embed_tokens.weight", None),
        ("model.norm.weight", None),
    ],
)
def test_the_layer_of_a_weight(name: str, layer: int | None) -> None:
    assert layer_of(name) == layer


def test_weights_of_other_kinds_are_not_linear(base: Path) -> None:
    import torch

    save_file({"model.layers.0.conv.weight": torch.zeros(2, 2, 3)}, weights_of(base))
    assert read_base_facts(base).linear_layers() == {}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "gpt2", "n_positions": 1024}, 1024),
        ({"model_type": "bloom"}, 1 << 30),
    ],
)
def test_positions_that_a_text_can_use(config: dict[str, Any], expected: int) -> None:
    """RoBERTa's 514 rows of positions carry 512 tokens: fairseq counts from behind the pad token."""
    assert positions_of(config) == expected
