"""`objective:` in a recipe: what is minimised, a section per objective."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from luthier.recipe.section import Section


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
    metrics = ("perplexity", "rouge", "exact_match")

    name: Literal["sft"] = "sft"
    loss_on: Literal["assistant", "last_turn", "all"] = Field(
        "assistant",
        description="Tokens that carry loss: every assistant turn, the last assistant turn, or all tokens. A turn "
        "of weight 0 carries none.",
    )


class PretrainingObjective(ObjectiveSection):
    """Continued pretraining: predict every token of raw text."""

    schemas = ("text",)
    reads = "raw text"
    metrics = ("perplexity",)

    name: Literal["pretraining"]


class ClassificationObjective(ObjectiveSection):
    """Sequence classification: predict the class of a text, or of a pair of texts."""

    schemas = ("classification",)
    reads = "texts with labels"
    has_head = True
    metrics = ("accuracy", "f1_macro", "f1_micro", "f1_weighted", "mcc")

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
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0.0)]] = Field(
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


Objective = Annotated[
    SftObjective | PretrainingObjective | ClassificationObjective, Field(discriminator="name")
]
