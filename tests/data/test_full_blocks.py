"""Documents joined to full blocks: no token is lost, none is doubled, held-out rows stay by themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luthier.data.encode import TextEncoder
from luthier.data.full_blocks import FullBlocks
from luthier.data.sample import Sample
from tests.models.tiny_chat import make_chat_tokenizer


def _samples(lengths: list[int], weights: list[float] | None = None) -> list[Sample]:
    texts = ["abcdefgh"[: length % 8 + 1] * (length // 8 + 1) for length in lengths]
    return [
        Sample("made.txt", row + 1, text=text, weight=(weights or [1.0] * len(texts))[row])
        for row, text in enumerate(texts)
    ]


def _blocks(samples: list[Sample], max_length: int) -> tuple[list[Any], list[int]]:
    encoder = TextEncoder(make_chat_tokenizer(), max_length=max_length)
    filling = FullBlocks(encoder, max_length=max_length)
    blocks = [block for sample in samples for block in filling(sample)]
    whole = [token for sample in samples for token in encoder.document(sample)]
    return blocks + filling.finish(), whole


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(3, 20))
def test_blocks_are_the_documents_one_after_the_other(lengths: list[int], max_length: int) -> None:
    blocks, whole = _blocks(_samples(lengths), max_length)
    assert [token for block in blocks for token in block.input_ids] == whole
    assert all(len(block.input_ids) >= 2 for block in blocks)
    assert all(len(block.input_ids) == max_length for block in blocks[:-2])
    assert all((block.labels == block.input_ids).all() for block in blocks)


def test_a_block_has_one_weight() -> None:
    samples = _samples([3, 3, 3], [1.0, 1.0, 2.0])
    blocks, whole = _blocks(samples, 64)
    assert [block.weight for block in blocks] == [1.0, 2.0]
    assert [block.row for block in blocks] == [1, 3]
    assert sum(len(block.input_ids) for block in blocks) == len(whole)


def test_a_block_is_named_by_the_document_that_it_begins_with() -> None:
    blocks, _ = _blocks(_samples([2, 30, 2]), 8)
    assert [block.row for block in blocks][:2] == [1, 2]


@pytest.mark.parametrize("documents", ["separate", "concatenate"])
def test_a_run_fills_training_blocks_and_measures_documents(tmp_path: Any, documents: str) -> None:
    from luthier.core.files import read_json
    from tests.tiny_job import COLOURS, luthier, write_recipe

    text = [f"The {colour} fox sees the {colour} dog." for colour in COLOURS]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in text))
    recipe = write_recipe(
        tmp_path,
        objective={"name": "pretraining", "documents": documents},
        data={"train": [{"path": "corpus.jsonl"}], "eval": {"split": 0.25}, "max_length": 64},
        evaluate={},
    )
    done = luthier("run", recipe, "--until", "data", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    budget = read_json(run / "data" / "label_budget.json")["splits"]
    assert budget["train"]["rows"] + budget["eval"]["rows"] == len(text)
    assert budget["eval"]["examples"] == budget["eval"]["rows"]
    if documents == "concatenate":
        assert budget["train"]["longest_example_tokens"] == 64
        assert budget["train"]["examples"] < budget["train"]["rows"]
    else:
        assert budget["train"]["examples"] == budget["train"]["rows"]
