"""The recipe: every key a user may write, documented once, here.

Help, the JSON schema and ``docs/recipe.md`` are generated from these fields. A key that is not
here is an error; a key that cannot take effect beside the others is refused by ``plan``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

from luthier.recipe.data_sections.augment import AugmentSection
from luthier.recipe.data_sections.balance import BalanceSection
from luthier.recipe.data_sections.clean import CleanSection as CleanTexts
from luthier.recipe.data_sections.duplicates import (
    DecontaminateSection,
    DeduplicateSection,
    FoldsSection,
    OutOfDomainSection,
)
from luthier.recipe.data_sections.label_errors import LabelErrorsSection
from luthier.recipe.data_sections.pii import PiiSection
from luthier.recipe.data_sections.profile import ProfileSection
from luthier.recipe.data_sections.versions import SnapshotSection
from luthier.recipe.evaluate_sections.evaluate import EvaluateSection
from luthier.recipe.evaluate_sections.gate import Gate
from luthier.recipe.method_sections import LoraMethod, Method
from luthier.recipe.objective_sections import Objective, SftObjective
from luthier.recipe.section import Fraction, PositiveInt, Section
from luthier.recipe.source_section import Source
from luthier.recipe.vocabulary_section import VocabularySection


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that a key with this annotation may hold: none for a plain value, several for a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for argument in get_args(annotation) for section in sections_in(argument)]


def name_of(section: type[BaseModel]) -> str | None:
    """Return the ``name`` that tells a section from the others of its union, or None for one that stands alone."""
    field = section.model_fields.get("name")
    names = get_args(field.annotation) if field else ()
    return str(names[0]) if names else None


class ModelSection(Section):
    """The base model."""

    base: str = Field(
        description="A folder in Hugging Face layout, a GGUF file, a name in the catalogue "
        "(`luthier models catalogue`) or a hub id."
    )
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        "auto",
        description="Type of frozen weights and of the computation. Trained weights are always kept in "
        "float32. `auto` takes bfloat16 where the processor multiplies it natively.",
    )
    trust_remote_code: bool = Field(
        False, description="Run Python code that a hub repository ships. Read that code first."
    )
    load_in_4bit: bool = Field(
        False,
        description="Store the base's linear layers in 4 bits (QLoRA): less memory, some more time. For methods that "
        "train beside frozen weights.",
    )
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = Field(
        "nf4",
        description="With load_in_4bit: the 16 values a weight can take, in parts of its block's largest.",
    )
    bnb_4bit_use_double_quant: bool = Field(
        True, description="With load_in_4bit: store the scales of the blocks in 8 bits too."
    )


class EvalSection(Section):
    """The held-out rows: a share, a fold or a domain of the training rows, or sources of their own."""

    split: Fraction | None = Field(
        None,
        description="Share of the training rows to hold out. Rows with the same first prompt stay together.",
    )
    sources: list[Source] = Field(
        default_factory=list, description="Held-out files; no row of them is trained."
    )
    group_by: str | None = Field(
        None,
        description="A field of the rows: rows with the same value share a source. They stay on one side of a split, "
        "and intervals and tests draw them together.",
    )
    folds: FoldsSection | None = Field(None, description="Hold out one of several equal parts.")
    out_of_domain: OutOfDomainSection | None = Field(
        None,
        description="Hold out the rows of a domain; the source's `attributes` must name its field. With `split` or "
        "`folds`, rows of the other domains are held out besides.",
    )
    near_duplicates: Literal["ignore", "together"] = Field(
        "ignore",
        description="`together` keeps rows whose texts are nearly the same (Jaccard of their n-grams from 0.8) "
        "on one side; training rows that are so like a row of `sources` are left out.",
    )

    @property
    def divides(self) -> bool:
        """Whether training rows are held out."""
        return self.split is not None or self.folds is not None or self.out_of_domain is not None


class CleanSection(CleanTexts):
    """What is done to rows before they are split and encoded; of all this only `deduplicate` is on by default."""

    deduplicate: DeduplicateSection = Field(
        default_factory=lambda: DeduplicateSection.model_validate("exact"),
        description="Leave out rows that repeat another; `exact`, `near`, `semantic`, `off`, or a section.",
    )
    pii: PiiSection = Field(
        default_factory=PiiSection,
        description="Personal data and secrets: an action such as `mask`, or a section.",
    )


class DataSection(Section):
    """The rows, and how they become token sequences."""

    train: list[Source] = Field(min_length=1, description="Files of training rows.")
    eval: EvalSection = Field(default_factory=lambda: EvalSection.model_validate({"split": 0.1}))
    clean: CleanSection = Field(default_factory=CleanSection)
    label_errors: LabelErrorsSection = Field(default_factory=LabelErrorsSection)
    decontaminate: DecontaminateSection = Field(default_factory=DecontaminateSection)
    augment: AugmentSection = Field(default_factory=AugmentSection)
    balance: BalanceSection = Field(default_factory=BalanceSection)
    profile: ProfileSection = Field(default_factory=ProfileSection)
    snapshot: SnapshotSection | None = Field(
        None, description="Store the rows as a version of a data set; default: no."
    )
    processes: PositiveInt = Field(
        1, description="Processes that clean rows; the result does not depend on it."
    )
    max_length: PositiveInt = Field(1024, description="Longest sequence in tokens.")
    too_long: Literal["truncate", "drop", "error"] = Field(
        "truncate",
        description="A row over max_length: `truncate` keeps whole turns of a conversation from the start, and cuts an "
        "answer only when not even the first fits (counted, without its end token); it cuts a text to classify, "
        "divides tagged words into several examples, and reads a context in windows. `drop` leaves the row "
        "out; `error` stops.",
    )
    train_share: Fraction | None = Field(
        None,
        description="Train this share of the training rows only, drawn by the seed; a smaller share is part of a "
        "larger one, and the held-out rows stay. `luthier learning-curve` sets it. Default: all.",
    )
    chat_template: str | None = Field(
        None,
        description="`chatml` or the path of a Jinja file. Default: the tokenizer's own template.",
    )


class TrainSection(Section):
    """The training loop; names and meanings follow Hugging Face `TrainingArguments`."""

    learning_rate: Annotated[float, Field(gt=0.0)] = Field(2e-4, description="Peak learning rate.")
    num_train_epochs: Annotated[float, Field(gt=0.0)] = Field(
        1.0, description="Passes over the training rows."
    )
    max_steps: PositiveInt | None = Field(None, description="Optimizer steps, instead of num_train_epochs.")
    per_device_train_batch_size: PositiveInt = Field(8, description="Rows in a micro-batch.")
    per_device_eval_batch_size: PositiveInt = Field(8, description="Rows in an evaluation batch.")
    gradient_accumulation_steps: PositiveInt = Field(
        1, description="Micro-batches in an optimizer step; equals one larger batch exactly."
    )
    packing: bool = Field(
        True,
        description="Concatenate the rows of a micro-batch instead of padding them; no row sees another.",
    )
    memory_budget_gb: Annotated[float, Field(gt=0.0)] | None = Field(
        None,
        description="Memory that training may take; packed micro-batches are made short enough to fit. "
        "Default: 80 % of the machine's.",
    )
    lr_scheduler_type: Literal["linear", "cosine", "constant"] = Field(
        "cosine", description="Course of the learning rate after the warm-up."
    )
    warmup_ratio: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.03, description="Share of the steps to warm up."
    )
    warmup_steps: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Warm-up in steps, instead of a ratio."
    )
    weight_decay: Annotated[float, Field(ge=0.0)] = Field(
        0.0, description="Decoupled weight decay; not applied to norms and biases."
    )
    optim: Literal["adamw", "adafactor", "sgd", "paged_adamw"] = Field(
        "adamw",
        description="`adamw`; `adafactor`, whose state is a few numbers for each row and column of a matrix; `sgd` "
        "without momentum, which keeps nothing and wants much higher rates; `paged_adamw`: AdamW whose state moves out "
        "of a GPU's memory when that is full, through bitsandbytes (needs a GPU).",
    )
    adam_beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(0.9, description="AdamW's decay of the mean.")
    adam_beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.999, description="AdamW's decay of the variance."
    )
    adam_epsilon: Annotated[float, Field(gt=0.0)] = Field(1e-8, description="AdamW's divisor floor.")
    max_grad_norm: Annotated[float, Field(gt=0.0)] | None = Field(
        1.0, description="Clip the global gradient norm to this; null switches clipping off."
    )
    gradient_checkpointing: bool = Field(
        False, description="Recompute activations in the backward pass: less memory, about a third more time."
    )
    eval_strategy: Literal["epoch", "steps", "no"] = Field(
        "epoch", description="When the held-out loss is measured during training."
    )
    eval_steps: PositiveInt | None = Field(
        None, description="Steps between evaluations, with eval_strategy: steps."
    )
    save_strategy: Literal["epoch", "steps"] = Field("epoch", description="When a checkpoint is written.")
    save_steps: PositiveInt | None = Field(
        None, description="Steps between checkpoints, with save_strategy: steps."
    )
    save_total_limit: PositiveInt = Field(
        2, description="Newest checkpoints to keep; the best is kept besides."
    )
    load_best_model_at_end: bool = Field(
        True, description="The result is the checkpoint with the lowest held-out loss, not the last."
    )
    early_stopping_patience: PositiveInt | None = Field(
        None, description="Stop after this many evaluations without improvement."
    )
    early_stopping_threshold: Annotated[float, Field(ge=0.0)] = Field(
        0.0, description="Smallest drop of the held-out loss that counts as improvement."
    )
    logging_steps: PositiveInt = Field(1, description="Steps between logged losses.")
    report_to: list[Literal["tensorboard"]] = Field(
        ["tensorboard"],
        description="Where the metrics also go, besides events.jsonl.",
    )
    disk_full_wait_minutes: Annotated[float, Field(ge=0.0)] = Field(
        60.0, description="How long a run waits for room on a full disk before it stops."
    )


class RegisterSection(Section):
    """Where the model is registered once its gates pass."""

    name: str = Field(min_length=1, description="Name of the registered model.")
    alias: str = Field("candidate", min_length=1, description="Alias that moves to the new version.")
    champion_alias: str = Field(
        "champion",
        min_length=1,
        description="Alias of the version that a gate with `relative_to: champion` compares with.",
    )
    tracking_uri: str | None = Field(
        None,
        description="MLflow server or SQLite URL. Default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db.",
    )


class DataRecipe(Section):
    """Rows to prepare, and nothing to train: what `luthier data prepare` needs of a recipe."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Name of the run's folder.")
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(42, description="Seed of every random choice.")
    runs_dir: str = Field("runs", description="Folder that holds the run folders.")
    data: DataSection


class PhaseSection(Section):
    """A training that comes first, e.g. pretraining on raw text; the next one starts from its result.

    It is a run of its own, with a report; what it leaves out it takes from the recipe.
    """

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$",
        description="Its run is called by the recipe's name and this.",
    )
    data: DataSection
    objective: Objective = Field(description="What is minimised.")
    vocabulary: VocabularySection | None = Field(None, description="Tokens that it and what follows have.")
    method: Method | None = Field(None, description="Which weights train; default: the recipe's.")
    train: TrainSection | None = Field(None, description="Default: the recipe's.")
    evaluate: EvaluateSection = Field(default_factory=EvaluateSection)
    gates: list[Gate] = Field(default_factory=list, description="Conditions for going on.")


class Recipe(DataRecipe):
    """One fine-tuning job, from raw rows to a registered model."""

    model: ModelSection
    before: list[PhaseSection] = Field(
        default_factory=list,
        description="Trainings that come first, in order; each starts from the result of the one before.",
    )
    vocabulary: VocabularySection | None = Field(
        None, description="Tokens that the base does not have; default: its vocabulary stays as it is."
    )
    objective: Objective = Field(default_factory=SftObjective, description="What is minimised.")
    method: Method = Field(default_factory=LoraMethod, description="Which weights train.")
    train: TrainSection = Field(default_factory=TrainSection)
    evaluate: EvaluateSection = Field(default_factory=EvaluateSection)
    gates: list[Gate] = Field(default_factory=list, description="Conditions for registration.")
    register_: RegisterSection | None = Field(
        None, alias="register", description="Register the result; default: no."
    )
