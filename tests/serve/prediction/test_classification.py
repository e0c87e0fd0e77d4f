"""Predictions are the model's own probabilities, in the order of the rows, whatever the batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from luthier.core.errors import ModelError
from luthier.data.tokenizer import load_tokenizer
from luthier.models.heads import TaskHead
from luthier.models.load import load_model
from luthier.serve.prediction.build import load_predictor
from tests.models.tiny_encoder import save_tiny_encoder

TEXTS = ["how are you?", "good", "a very long text that has many more letters", "天气很好", "no"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUTHIER_HOME", str(tmp_path / "home"))


def _saved(folder: Path, problem: str) -> Any:
    base = save_tiny_encoder(folder / "base")
    head = TaskHead("SEQ_CLS", ("cold", "hot", "warm"), f"{problem}_classification")
    model = load_model(base, dtype=torch.float32, head=head, new_head_seed=1)
    with torch.no_grad():
        model.classifier.weight.mul_(40.0)
    model.save_pretrained(folder / "model")
    load_tokenizer(base).save_pretrained(folder / "model")
    return model


def _expected(model: Any, folder: Path) -> torch.Tensor:
    tokenizer = load_tokenizer(folder / "model")
    with torch.no_grad():
        inputs = [tokenizer(text, truncation=True, max_length=40, return_tensors="pt") for text in TEXTS]
        return torch.cat([model(input_ids=i["input_ids"]).logits for i in inputs]).double()


def test_one_label(tmp_path: Path) -> None:
    model = _saved(tmp_path, "single_label")
    predict = load_predictor(tmp_path / "model")
    done: list[int] = []
    said = predict([{"text": text} for text in TEXTS], done.append)
    spread = _expected(model, tmp_path).softmax(1)
    for line, row in zip(said, spread, strict=True):
        names = ("cold", "hot", "warm")
        assert line["label"] == names[int(row.argmax())]
        assert line["probability"] == pytest.approx(float(row.max()), abs=2e-2)  # bfloat16 where it is native
        assert list(line["probabilities"].values()) == sorted(line["probabilities"].values(), reverse=True)
    assert done[-1] == len(TEXTS)
    assert said[2]["truncated_tokens"] > 0 and "truncated_tokens" not in said[0]
    assert predict.line(said[0])[0] == said[0]["label"]


def test_several_labels_by_threshold(tmp_path: Path) -> None:
    _saved(tmp_path, "multi_label")
    rows = [{"text": text} for text in TEXTS]
    loose, strict = (load_predictor(tmp_path / "model", threshold=t)(rows) for t in (0.01, 0.99))
    assert all(len(line["labels"]) == 3 for line in loose)
    assert all(line["labels"] == [] for line in strict)


def test_no_rows_are_no_predictions(tmp_path: Path) -> None:
    _saved(tmp_path, "single_label")
    assert load_predictor(tmp_path / "model")([]) == []


def test_a_threshold_for_one_label_is_refused(tmp_path: Path) -> None:
    _saved(tmp_path, "single_label")
    with pytest.raises(ModelError, match="one label a text"):
        load_predictor(tmp_path / "model", threshold=0.2)


def test_a_trunk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no task's head"):
        load_predictor(save_tiny_encoder(tmp_path))
