"""`objective:` in a recipe: what is minimised, a section per objective."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from luthier.recipe.fairness_penalty import FairnessPenalty
from luthier.recipe.multitask_sections import (
    GradientsSection,
    LossWeights,
    ProportionalSampling,
    Sampling,
    StageSection,
    StaticLossWeights,
)
from luthier.recipe.section import PositiveInt, Section


class ObjectiveSection(Section):
    """What the plan must know of an objective besides its keys.

    Attributes:
        schemas: Schemas of rows that it reads.
        reads: The same for people.
        is_chat: Whether its rows are rendered by the chat template and answered in words.
        has_head: Whether the base gets a task's head; otherwise it predicts the next token.
        metrics: What `evaluate.metrics` may name; ``eval_loss`` is always measured where there is a head.
    """

    schemas: ClassVar[tuple[str, ...]]
    reads: ClassVar[str]
    is_chat: ClassVar[bool] = False
    has_head: ClassVar[bool] = False
    metrics: ClassVar[tuple[str, ...]] = ()


class SftObjective(ObjectiveSection):
    """Supervised instruction tuning: predict the assistant's turns."""

    schemas = ("alpaca", "sharegpt", "messages", "prompt_completion")
    reads = "conversations"
    is_chat = True
    metrics = ("perplexity", "rouge", "exact_match", "byte_perplexity", "rouge_1", "rouge_2",
               "bleu", "chrf", "cer", "wer", "bert_score", "distinct_2", "length_ratio")  # fmt: skip

    name: Literal["sft"] = "sft"
    loss_on: Literal["assistant", "last_turn", "all"] = Field(
        "assistant",
        description="Tokens that carry loss: every assistant turn, the last assistant turn, or all tokens. A turn "
        "of weight 0 carries none.",
    )
    expand_turns: bool = Field(
        False,
        description="Make an example of each assistant turn, with the turns before it as its prompt. Then a turn's "
        "`weight` may be any number, and templates may render history otherwise than the present turn.",
    )


class PretrainingObjective(ObjectiveSection):
    """Continued pretraining: predict every token of raw text."""

    schemas = ("text",)
    reads = "raw text"
    metrics = ("perplexity", "byte_perplexity")

    name: Literal["pretraining"]
    documents: Literal["separate", "concatenate"] = Field(
        "separate",
        description="`separate`: a document sees no other; long ones become several blocks of `data.max_length`. "
        "`concatenate`: training documents are joined to full blocks and see those before them in their block.",
    )


def _one_fault(value: Any) -> Any:
    """Say what is wrong with class weights once, not once for each form that they may have."""
    if isinstance(value, dict):
        for label, factor in value.items():
            if isinstance(factor, bool) or not isinstance(factor, int | float) or not factor > 0:
                what = f"the factor of {label!r} is {factor!r}, a number above 0 was expected"
                raise PydanticCustomError("class_weights", "{what}", {"what": what})
    elif value not in ("none", "balanced"):
        what = "none, balanced, or a factor for each label was expected"
        raise PydanticCustomError("class_weights", "{what}", {"what": what})
    return value


ClassWeights = Annotated[Literal["none", "balanced"] | dict[str, float], BeforeValidator(_one_fault)]


class ClassificationObjective(ObjectiveSection):
    """Sequence classification: predict the class of a text, or of a pair of texts."""

    schemas = ("classification",)
    reads = "texts with labels"
    has_head = True
    metrics = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "f1_micro", "f1_weighted", "mcc",
               "calibration_error")  # fmt: skip

    name: Literal["classification"]
    problem: Literal["single_label", "multi_label"] = Field(
        "single_label",
        description="`single_label`: each text has exactly one class. `multi_label`: any number of them, or none.",
    )
    labels: list[str] | None = Field(
        None,
        description="The classes. Default: those of the training rows, sorted. A row with another label is left out "
        "and counted; a class without a training row is refused.",
    )
    class_weights: ClassWeights = Field(
        "none",
        description="Factor of the training loss of each class: `balanced` makes all classes count alike, by "
        "scikit-learn's formula; or a mapping from label to factor, where an absent label has factor 1. For "
        "multi_label, the factor is that of a class's positive rows.",
    )
    focal_gamma: Annotated[float, Field(ge=0.0)] = Field(
        0.0,
        description="Focal loss (arXiv:1708.02002): rows that are already well predicted count less, by (1 - p)^gamma; "
        "0 is the plain loss, 2 is usual.",
    )
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0, description="Share of each training label that is spread over all classes."
    )
    fairness: FairnessPenalty | None = Field(
        None, description="Pull groups together in training, for single_label; default: no."
    )


class TokenClassificationObjective(ObjectiveSection):
    """Token classification: predict the tag of each word, such as the entity that it belongs to."""

    schemas = ("token_classification",)
    reads = "words with tags"
    has_head = True
    metrics = ("f1", "precision", "recall", "f1_macro", "accuracy")

    name: Literal["token_classification"]
    scheme: Literal["auto", "IOB2", "BIOES", "BILOU", "BMES", "none"] = Field(
        "auto",
        description="What the tags follow: `auto` tells it from the training rows, `none` makes each tag a class of "
        "its own, such as a part of speech.",
    )
    invalid_tags: Literal["reject", "repair"] = Field(
        "reject",
        description="Rows whose tags break their scheme, e.g. `I-person` after `O`: `reject` leaves them out, counted; "
        "`repair` reads them as conlleval does (a word that goes on with nothing begins an entity).",
    )
    label_on: Literal["first", "last", "all"] = Field(
        "first",
        description="Tokens of a word that carry its tag. A decoder sees the whole word at the `last` one only. Tags "
        "are read from the first token, or from the last with `last`.",
    )
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0, description="Share of each training label that is spread over all tags."
    )


class QuestionAnsweringObjective(ObjectiveSection):
    """Extractive question answering: find the span of a context that answers a question."""

    schemas = ("question_answering",)
    reads = "questions with answers in a context"
    has_head = True
    metrics = ("exact_match", "f1")

    name: Literal["question_answering"]
    doc_stride: Annotated[int, Field(ge=0)] = Field(
        128,
        description="Tokens that two windows over a long context have in common, as in Hugging Face's example.",
    )
    version_2_with_negative: bool = Field(
        False,
        description="Rows may have no answer, as in SQuAD 2.0; otherwise such rows are left out, counted.",
    )
    null_score_diff_threshold: float | None = Field(
        None,
        description="With version_2_with_negative: how far no answer must score above the best span to be said. "
        "Default: chosen on the held-out rows, each half of them measured with the threshold of the other half.",
    )
    n_best_size: PositiveInt = Field(
        20, description="Spans that are kept of each question, for the probabilities."
    )
    max_answer_length: PositiveInt = Field(30, description="Longest answer in tokens.")


TaskObjective = Annotated[
    SftObjective
    | PretrainingObjective
    | ClassificationObjective
    | TokenClassificationObjective
    | QuestionAnsweringObjective,
    Field(discriminator="name"),
]


class TaskSection(Section):
    """One task of several."""

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$",
        description="Name of the task: sources, weights, stages and gates call it so.",
    )
    objective: TaskObjective = Field(description="What is minimised, as for a task alone.")


class MultitaskObjective(ObjectiveSection):
    """Several tasks in one run: a head for each over one trunk, or a mixture of generative tasks."""

    name: Literal["multitask"]
    tasks: list[TaskSection] = Field(
        min_length=1, description="The tasks; each source of rows names its own (`task:`)."
    )
    sampling: Sampling = Field(default_factory=ProportionalSampling, description="How often each task comes.")
    loss_weights: LossWeights = Field(
        default_factory=StaticLossWeights, description="How much the loss of each task counts."
    )
    gradients: GradientsSection = Field(default_factory=GradientsSection)
    stages: list[StageSection] = Field(
        default_factory=list,
        description="Tasks and mixtures one after the other; default: all tasks all the time.",
    )
    count_by: Literal["rows", "items"] | None = Field(
        None,
        description="The loss of a step is the sum of the tasks' means, each by its share of the step: of its rows, or "
        "of its items (tokens that carry loss). Default: items for generative tasks, so that all tokens count alike, "
        "rows under heads.",
    )

    @property
    def schemas(self) -> tuple[str, ...]:  # type: ignore[override]
        """Schemas of rows that any task reads."""
        return _united(task.objective.schemas for task in self.tasks)

    @property
    def reads(self) -> str:  # type: ignore[override]
        """What the tasks read, for people."""
        return " or ".join(dict.fromkeys(task.objective.reads for task in self.tasks))

    @property
    def is_chat(self) -> bool:  # type: ignore[override]
        """Whether a task's rows are conversations."""
        return any(task.objective.is_chat for task in self.tasks)

    @property
    def has_head(self) -> bool:  # type: ignore[override]
        """Whether the tasks have heads."""
        return any(task.objective.has_head for task in self.tasks)

    @property
    def metrics(self) -> tuple[str, ...]:  # type: ignore[override]
        """What any task can be measured by."""
        return _united(task.objective.metrics for task in self.tasks)

    @property
    def loss_on(self) -> Literal["assistant", "last_turn", "all"]:
        """Turns that carry loss in every task of conversations; `all` where they differ."""
        found = {task.objective.loss_on for task in self.tasks if isinstance(task.objective, SftObjective)}
        return found.pop() if len(found) == 1 else "all"

    @property
    def default_count_by(self) -> Literal["rows", "items"]:
        """What shares count where the recipe does not say."""
        return "rows" if self.has_head else "items"


def _united(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(lists)))


Objective = Annotated[
    SftObjective
    | PretrainingObjective
    | ClassificationObjective
    | TokenClassificationObjective
    | QuestionAnsweringObjective
    | MultitaskObjective,
    Field(discriminator="name"),
]
