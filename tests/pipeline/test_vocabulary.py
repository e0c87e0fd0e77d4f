"""A run whose vocabulary grows: from the rows to a served answer, in small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from luthier.core.files import read_json
from luthier.data.sample import Message
from luthier.models.chat_model import ChatModel
from tests.tiny_job import luthier, write_recipe


def _run(folder: Path, **sections: Any) -> tuple[Path, dict[str, Any]]:
    recipe = write_recipe(folder, **sections)
    done = luthier("run", recipe, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    run = next((folder / "runs").glob("tiny-*"))
    return run, read_json(run / "receipt.json")


@pytest.mark.parametrize(
    "vocabulary",
    [
        {"add_tokens": "auto", "min_frequency": 4, "max_new_tokens_added": 6},
        {"add_tokens": ["black", "white", "brown"]},
        {"new_vocab_size": 330},
    ],
    ids=["auto", "list", "new"],
)
def test_a_run_adds_tokens_and_serves_them(tmp_path: Path, vocabulary: dict[str, Any]) -> None:
    run, receipt = _run(tmp_path, vocabulary=vocabulary)
    told = receipt["vocabulary"]
    before, after = (told["fertility"]["eval"][when]["tokens_per_word"] for when in ("before", "after"))
    assert after < before
    assert told["tokens_added"] > 0
    model = ChatModel.from_folder(run / "model")
    assert model.vocabulary_size == told["embedding_rows"]
    ids = model.prompt_ids([Message("user", "What is the black fox?")])
    assert max(ids) < told["embedding_rows"]
    report = read_json(run / "report" / "report.json")
    assert report["same_text"]["left_out"] == 0
    loss = next(m for m in report["metrics"] if m["metric"] == "eval_loss")
    ratio = loss["tuned"]["value"] / loss["base"]["value"]
    assert ratio == pytest.approx(report["same_text"]["tuned"] / report["same_text"]["base"])
    assert receipt["evaluate"]["reload"]["relative_difference"] < 1e-3
    assert receipt["evaluate"]["merge"]["largest_logit_difference"] < 1e-3
    assert read_json(run / "model" / "tokenizer_config.json")
