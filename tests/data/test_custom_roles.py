"""Roles beyond the four known ones: named by the source, written by the template, with tokens of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from luthier.core.errors import DataError
from luthier.core.files import read_json
from luthier.data.example import Rejection
from luthier.data.read import read_source
from luthier.data.sample import Sample
from luthier.recipe.source_section import Source
from tests.models.tiny_chat import TEMPLATE
from tests.tiny_job import COLOURS, luthier, write_recipe

ROWS = [
    {
        "messages": [
            {"role": "narrator", "content": f"It is a {colour} night."},
            {"role": "user", "content": f"Who is {colour}?"},
            {"role": "assistant", "content": f"The {colour} fox."},
        ]
    }
    for colour in COLOURS
]
WITH_MARKS = TEMPLATE.replace(
    "{{- '<|im_start|>' + m.role + '\n' + m.content }}",
    "{{- ('<|narrator|>' if m.role == 'narrator' else '<|im_start|>' + m.role + '\n') + m.content }}",
)


def _read(folder: Path, **changes: Any) -> list[Sample | Rejection]:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return list(read_source(Source.model_validate({"path": "rows.jsonl", **changes}), folder))


def test_a_role_is_read_where_the_source_names_it(tmp_path: Path) -> None:
    assert all(isinstance(row, Sample) for row in _read(tmp_path, roles=["narrator"]))
    refused = _read(tmp_path)[0]
    assert isinstance(refused, Rejection) and refused.reason == "unknown_role" and "`roles`" in refused.detail


def test_roles_of_rows_that_have_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"instruction": "a", "output": "b"}) + "\n")
    with pytest.raises(DataError, match="no effect"):
        list(read_source(Source.model_validate({"path": "rows.jsonl", "roles": ["narrator"]}), tmp_path))


@pytest.mark.parametrize("writes", [True, False])
def test_a_run_trains_the_mark_of_a_role(tmp_path: Path, writes: bool) -> None:
    recipe = write_recipe(
        tmp_path,
        vocabulary={"add_special_tokens": ["<|narrator|>"]},
        data={
            "train": [{"path": "talk.jsonl", "roles": ["narrator"]}],
            "chat_template": "own.jinja",
            "eval": {"split": 0.25},
            "max_length": 128,
        },
        train={"max_steps": 2, "per_device_train_batch_size": 4, "report_to": []},
    )
    (tmp_path / "talk.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    silent = TEMPLATE.replace("{%- for m in messages %}", "{%- for m in messages if m.role != 'narrator' %}")
    (tmp_path / "own.jinja").write_text(WITH_MARKS if writes else silent)
    done = luthier("run", recipe, cwd=tmp_path)
    if not writes:
        assert done.returncode == 2
        assert "content_dropped" in done.stderr and "narrator" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    receipt = read_json(run / "receipt.json")
    assert receipt["vocabulary"]["tokens_added"] == 1
    assert receipt["evaluate"]["prompts"]["prompts_equal"] > 0
    from luthier.data.sample import Message
    from luthier.models.chat_model import ChatModel

    model = ChatModel.from_folder(run / "model")
    ids = model.prompt_ids([Message("narrator", "It is night."), Message("user", "Who?")])
    assert ids[0] == model.tokenizer.convert_tokens_to_ids("<|narrator|>")
