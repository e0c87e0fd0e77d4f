"""The model card: README.md beside the weights, with Hugging Face's metadata, filled from facts and nothing else.

Reference: the metadata of the hub's model cards (``base_model``, ``model-index``); M. Mitchell et al., Model Cards for
Model Reporting, 2019, for what a card tells. What nobody measured or wrote down is told as unknown, not made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

CARD_FILE = "README.md"

_TASKS = {
    "sft": "text-generation",
    "pretraining": "text-generation",
    "classification": "text-classification",
    "token_classification": "token-classification",
    "question_answering": "question-answering",
}
"""The hub's names of tasks, by objective; others have none that fits."""


@dataclass(frozen=True)
class CardFacts:
    """What a card tells.

    Args:
        name: Of the model.
        base: As the recipe names it; a path of this machine is told by its last part.
        hub_base: Name of the base on the Hugging Face hub; None where it is only a folder.
        objective: Of the recipe.
        method: Of the recipe.
        is_adapter: Whether PEFT loads it.
        licence: Of the base, SPDX; None where it is not known.
        languages: ISO codes that were counted in the training rows; empty where nobody counted.
        datasets: Files of the training rows, with their rows.
        training: Facts of the training, by name.
        metrics: Of ``report.json``; empty where nothing was evaluated.
        figures: Of the examinations.
        findings: Bad findings of the examinations, in sentences.
        gates: Judged gates.
        confidence: Coverage of the intervals.
        num_eval: Held-out rows.
        version: Of Luthier.
    """

    name: str
    base: str
    objective: str
    method: str
    is_adapter: bool
    hub_base: str | None
    licence: str | None
    languages: Sequence[str]
    datasets: Sequence[str]
    training: Mapping[str, str]
    version: str
    metrics: Sequence[Mapping[str, Any]] = ()
    figures: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[str] = ()
    gates: Sequence[Mapping[str, Any]] = field(default_factory=list)
    confidence: float = 0.95
    num_eval: int = 0


def model_card(facts: CardFacts) -> str:
    """Return the card as Markdown."""
    parts = [
        f"---\n{yaml.safe_dump(_metadata(facts), sort_keys=False, allow_unicode=True)}---",
        f"# {facts.name}",
        _summary(facts),
        "## Intended use\n\n" + _intended(facts),
        "## Limits\n\n" + _limits(facts),
        "## Evaluation\n\n" + _evaluation(facts),
        "## Training\n\n" + _table(("Fact", "Value"), facts.training.items()),
        f"Written by Luthier {facts.version} from the records of the run.",
    ]
    return "\n\n".join(parts) + "\n"


def _metadata(facts: CardFacts) -> dict[str, Any]:
    task = _TASKS.get(facts.objective)
    metadata: dict[str, Any] = {
        "license": facts.licence,
        "language": list(facts.languages),
        # Names that the hub does not know would be links to nothing, or to somebody else's.
        "base_model": facts.hub_base,
        "library_name": "peft" if facts.is_adapter else "transformers",
        "pipeline_tag": task,
        "tags": ["luthier", facts.method, facts.objective],
    }
    if facts.metrics:
        results = [
            {"type": m["metric"], "name": m["title"] or m["metric"], "value": float(m["tuned"]["value"])}
            for m in facts.metrics
        ]
        data = {"name": "held-out rows", "type": "held-out"}
        entry = {"task": {"type": task or facts.objective}, "dataset": data, "metrics": results}
        metadata["model-index"] = [{"name": facts.name, "results": [entry]}]
    return {key: value for key, value in metadata.items() if value}


def _summary(facts: CardFacts) -> str:
    licence = (
        f"The base's licence is {facts.licence}." if facts.licence else "The base's licence is not recorded."
    )
    return (
        f"`{facts.base}` trained by {facts.method} for {facts.objective} on {facts.training['Training rows']} rows "
        f"({', '.join(facts.datasets)}). {licence}"
    )


def _intended(facts: CardFacts) -> str:
    languages = f" in {', '.join(facts.languages)}" if facts.languages else ""
    return (
        f"Texts like those it was trained on{languages}: {', '.join(facts.datasets)}. "
        "Other uses were not measured."
    )


def _limits(facts: CardFacts) -> str:
    lines = [f"- {finding}" for finding in facts.findings]
    lines += [f"- A gate failed: {gate['text']}." for gate in facts.gates if not gate["passed"]]
    undefined = [f["name"] for f in facts.figures if f["value"] is None]
    if undefined:
        lines.append(f"- Undefined on these rows: {', '.join(undefined)}.")
    if not facts.figures:
        lines.append("- Robustness, fairness, memorisation and safety were not examined.")
    if not facts.metrics:
        lines.append("- No rows were held out, so nothing is known of its quality.")
    lines.append(f"- Texts beyond {facts.training['Longest text']} were cut or left out in training.")
    return "\n".join(lines)


def _evaluation(facts: CardFacts) -> str:
    if not facts.metrics:
        return "Nothing was evaluated."
    rows = [
        (m["title"] or m["metric"], _interval(m["base"]), _interval(m["tuned"]), m["num_rows"])
        for m in facts.metrics
    ]
    rows += [(f["title"], _interval(f["base"]), _interval(f["value"]), f["num_rows"]) for f in facts.figures]
    partner = next((m["partner"] for m in facts.metrics if m["partner"]), "base")
    table = _table(("Metric", partner.capitalize(), "This model", "Rows"), rows)
    note = f"{facts.num_eval:,} held-out rows; in brackets the {facts.confidence:.0%} confidence interval."
    gates = "".join(f"\n- {'passed' if g['passed'] else 'failed'}: {g['text']}" for g in facts.gates)
    return f"{table}\n\n{note}" + (f"\n\nGates:\n{gates}" if gates else "")


def _interval(value: Mapping[str, float] | None) -> str:
    return "" if value is None else f"{value['value']:.4g} ({value['low']:.4g} to {value['high']:.4g})"


def _table(header: Sequence[str], rows: Any) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )
