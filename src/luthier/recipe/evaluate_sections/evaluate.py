"""`evaluate:` in a recipe: what is measured, and which examinations follow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from luthier.core.model_files import files_of_model
from luthier.recipe.evaluate_sections.benchmarks import BenchmarksSection
from luthier.recipe.evaluate_sections.examination import ExaminationSection
from luthier.recipe.evaluate_sections.fairness import FairnessSection
from luthier.recipe.evaluate_sections.fitting import FittingSection
from luthier.recipe.evaluate_sections.generalization import GeneralizationSection
from luthier.recipe.evaluate_sections.memorization import MemorizationSection
from luthier.recipe.evaluate_sections.pass_at_k import PassAtKSection
from luthier.recipe.evaluate_sections.robustness import RobustnessSection
from luthier.recipe.evaluate_sections.safety import SafetySection
from luthier.recipe.section import Fraction, PositiveInt, Section

TaskMetric = Literal[
    "accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "mcc", "precision", "precision_macro", "recall",
    "recall_macro", "calibration_error", "exact_match"
]  # fmt: skip
AnswerMetric = Literal[
    "rouge_1", "rouge_2", "bleu", "chrf", "cer", "wer", "bert_score", "distinct_2", "length_ratio"
]
EvaluateMetric = Literal["perplexity", "byte_perplexity", "rouge", AnswerMetric, TaskMetric]


class EvaluateSection(Section):
    """How base and tuned model are compared on the held-out rows."""

    metrics: list[EvaluateMetric] = Field(
        ["perplexity", "rouge", "exact_match"],
        description="Of language models: perplexity (loss per token), byte_perplexity (comparable between "
        "tokenizers); of generated answers exact_match, rouge (ROUGE-L), rouge_1, rouge_2, bleu, chrf, cer and wer "
        "(character and word error rate), bert_score (nearness of tokens by an encoder), distinct_2 (low where answers "
        "repeat themselves) and length_ratio (words by those of the reference). Of tasks with a head, which are "
        "compared with a baseline: what the task is measured by; default all.",
    )
    num_generations: Annotated[int, Field(ge=0)] = Field(
        16, description="Held-out prompts that both models answer, for exact_match, rouge and reading."
    )
    max_new_tokens: PositiveInt = Field(128, description="Longest generated answer in tokens.")
    bert_score_encoder: str = Field(
        "minilm",
        description="Encoder of bert_score: a catalogue name, a folder or a hub id. `minilm` reads English.",
    )
    bootstrap_samples: PositiveInt = Field(2000, description="Resamples of the confidence intervals.")
    confidence: Fraction = Field(0.95, description="Coverage of the confidence intervals.")

    benchmarks: BenchmarksSection | None = Field(
        None,
        description="Run tasks of lm-evaluation-harness from files, before and after tuning; default: none.",
    )
    robustness: RobustnessSection | None = Field(
        None, description="Attack the model, and count the rows that it had right and then gets wrong."
    )
    fairness: FairnessSection | None = Field(
        None, description="Examine whether groups are treated alike; default: no."
    )

    fitting: FittingSection | None = Field(
        None,
        description="Examine whether the model learnt too much of its training rows, or too little; default: no.",
    )
    generalization: GeneralizationSection | None = Field(
        None, description="Examine how far what was learnt carries, and what was lost for it; default: no."
    )
    memorization: MemorizationSection | None = Field(
        None, description="Examine whether training rows can be extracted, or told from others; default: no."
    )
    pass_at_k: PassAtKSection | None = Field(
        None,
        description="Answer prompts several times and check the answers by words, numbers or tests; default: no.",
    )
    safety: SafetySection | None = Field(
        None,
        description="Examine jailbreaks, injected instructions and refusals of what is harmless; default: no.",
    )

    @property
    def examinations(self) -> dict[str, ExaminationSection]:
        """Sections of the examinations that are asked for, by their key, in the order of the schema."""
        values = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: value for name, value in values if isinstance(value, ExaminationSection)}

    def files_in(self, folder: Path) -> tuple[str, ...]:
        """Return the files that a report follows from besides the rows: of examinations and of the encoder.

        Args:
            folder: Of the recipe.
        """
        found = [name for section in self.examinations.values() for name in section.files_in(folder)]
        encoder = Path(self.bert_score_encoder).expanduser()
        return (*found, *(files_of_model(encoder) if "bert_score" in self.metrics else ()))
