"""The model card: Hugging Face's metadata, filled from what the stages recorded, kept by exports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from luthier.core.files import read_json
from luthier.evaluate.model_card import model_card
from luthier.pipeline.card import card_facts
from luthier.pipeline.job import Job
from luthier.pipeline.run import make_plan, run
from luthier.recipe.load import load
from tests.tiny_job import luthier, write_recipe


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("card")
    gates = [{"metric": "eval_loss", "max": 100.0}]
    return run(make_plan(load(write_recipe(folder, gates=gates))))


def metadata_of(text: str) -> dict[str, Any]:
    _, metadata, _ = text.split("---", 2)
    found: dict[str, Any] = yaml.safe_load(metadata)
    return found


def test_the_hub_reads_the_metadata(done: Job) -> None:
    from huggingface_hub import ModelCard

    card = ModelCard.load(done.trained.folder / "README.md")
    (loss,) = (r for r in card.data.eval_results if r.metric_type == "eval_loss")
    measured = next(m for m in done.report.metrics if m["metric"] == "eval_loss")
    assert loss.metric_value == pytest.approx(measured["tuned"]["value"])
    assert card.data.library_name == "peft" and "lora" in card.data.tags
    # A folder and files of this machine are nothing that the hub could link to; the text names them.
    assert card.data.base_model is None and card.data.datasets is None
    assert "`base` trained by lora for sft on 36 rows (rows.json)" in card.text


@pytest.mark.parametrize(
    ("base", "hub_base"),
    [("minilm", "sentence-transformers/all-MiniLM-L6-v2"), ("owner/model", "owner/model"), ("base", None)],
)
def test_the_base_is_named_as_the_hub_knows_it(done: Job, base: str, hub_base: str | None) -> None:
    recipe = done.recipe.model_copy(update={"model": done.recipe.model.model_copy(update={"base": base})})
    facts = card_facts(replace(done, plan=replace(done.plan, recipe=recipe)))
    assert facts.hub_base == hub_base
    assert metadata_of(model_card(facts)).get("base_model") == hub_base


def test_figures_come_with_their_intervals_and_facts_with_their_source(done: Job) -> None:
    text = (done.trained.folder / "README.md").read_text(encoding="utf-8")
    tuned = next(m for m in done.report.metrics if m["metric"] == "perplexity")["tuned"]
    assert f"{tuned['value']:.4g} ({tuned['low']:.4g} to {tuned['high']:.4g})" in text
    budget = read_json(done.dataset.folder / "label_budget.json")
    assert f"| Training rows | {budget['splits']['train']['rows']} |" in text
    assert done.dataset.content_hash in text and "passed: eval_loss" in text
    assert str(done.plan.recipe_folder) not in text  # no path of this machine


def test_what_nobody_knows_is_left_out_or_called_unknown(done: Job) -> None:
    text = (done.trained.folder / "README.md").read_text(encoding="utf-8")
    assert not {"license", "language"} & metadata_of(text).keys()
    assert "licence is not recorded" in text and "were not examined" in text


def test_bad_findings_and_failed_gates_stand_among_the_limits(done: Job) -> None:
    facts = card_facts(done)
    bad = {"findings": ["It memorises: 3 rows"], "gates": [{"passed": False, "text": "f1 ≥ 0.9: is 0.5"}]}
    limits = model_card(type(facts)(**{**vars(facts), **bad})).partition("## Limits")[2].partition("##")[0]
    assert "It memorises: 3 rows" in limits and "f1 ≥ 0.9: is 0.5" in limits


def test_exports_keep_the_card_and_say_what_loads_them(done: Job) -> None:
    folder = done.plan.recipe_folder
    for form, library in (("--adapter-only", "peft"), ("--merged", "transformers")):
        target = Path(folder) / f"out{form}"
        assert luthier("export", done.folder.path, form, "-o", target, cwd=folder).returncode == 0
        assert metadata_of((target / "README.md").read_text(encoding="utf-8"))["library_name"] == library


def test_without_held_out_rows_the_card_says_that_nothing_is_known(tmp_path: Path) -> None:
    data = {"train": [{"path": "rows.json"}], "eval": {}, "max_length": 128}
    job = run(make_plan(load(write_recipe(tmp_path, data=data, evaluate={}))))
    text = (job.trained.folder / "README.md").read_text(encoding="utf-8")
    assert "Nothing was evaluated." in text and "model-index" not in metadata_of(text)
