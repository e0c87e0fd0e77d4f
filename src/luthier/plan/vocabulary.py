"""What new tokens add to a plan: which methods can train them, and how many parameters they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

from luthier.core.errors import Fault
from luthier.plan.base_facts import BaseFacts
from luthier.plan.freezing import is_trained_by_freeze
from luthier.plan.trainable import Trainable
from luthier.recipe.method_sections import FreezeMethod
from luthier.recipe.schema import Recipe
from luthier.recipe.vocabulary_section import VocabularySection

_ROWS_BESIDE = frozenset({"lora"})
"""Methods whose adapters carry rows of the embedding: PEFT's ``trainable_token_indices``."""

_EMBEDDINGS = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")
_HEADS = ("lm_head.weight", "embed_out.weight")


def trains_rows_beside(method: str) -> bool:
    """Return whether a method trains new rows beside its own parameters."""
    return method in _ROWS_BESIDE


def check_vocabulary(recipe: Recipe, written: Collection[str], folder: Path) -> Iterator[Fault]:
    """Yield what cannot take effect in the section, without looking at the base."""
    section = recipe.vocabulary
    if section is None:
        return
    if section.add_tokens is None and section.new_vocab_size is None and not section.add_special_tokens:
        yield Fault("vocabulary", "adds nothing", "add_tokens: auto")
    if section.add_tokens is not None and section.new_vocab_size is not None:
        yield Fault("vocabulary.add_tokens", "has no effect beside new_vocab_size", "keep one of the two")
    if section.add_tokens != "auto":
        for key in ("max_new_tokens_added", "min_frequency", "max_words"):
            if f"vocabulary.{key}" in written:
                yield Fault(f"vocabulary.{key}", "has no effect without add_tokens: auto")
    yield from _check_terms(section, folder)
    if recipe.method.name not in {"full", "freeze"} | _ROWS_BESIDE:
        problem = (
            f"method {recipe.method.name} trains no row of the embedding: new tokens would stay as they begin"
        )
        yield Fault("vocabulary", problem, "method: {name: lora}, or full")


def _check_terms(section: VocabularySection, folder: Path) -> Iterator[Fault]:
    terms = section.add_tokens
    if isinstance(terms, list):
        if not terms:
            yield Fault("vocabulary.add_tokens", "is an empty list")
        for number, term in enumerate(terms):
            if not term.strip():
                yield Fault(f"vocabulary.add_tokens[{number}]", "is blank")
            elif term in section.add_special_tokens:
                yield Fault(f"vocabulary.add_tokens[{number}]", f"{term!r} is among add_special_tokens too")
    elif terms not in (None, "auto") and not (folder / str(terms)).is_file():
        cure = "paths start at the recipe's folder; or a list, or auto"
        yield Fault("vocabulary.add_tokens", f"no file at {folder / str(terms)}", cure)
    for number, mark in enumerate(section.add_special_tokens):
        if not mark or mark != mark.strip():
            yield Fault(f"vocabulary.add_special_tokens[{number}]", "is blank or has blanks around it")


def check_vocabulary_against_base(recipe: Recipe, base: BaseFacts) -> Iterator[Fault]:
    """Yield what the section and the base make impossible together."""
    if recipe.vocabulary is None:
        return
    if not (base.folder / "tokenizer.json").is_file():
        cure = "AutoTokenizer.from_pretrained(folder).save_pretrained(folder) writes it"
        yield Fault("vocabulary", "the base has no tokenizer.json, so no token can be added", cure)
    method = recipe.method
    if trains_rows_beside(method.name) and _has_head_bias(base):
        problem = "the base's head has a bias, which PEFT's adapters with rows of the head leave out"
        yield Fault("vocabulary", problem, "method: {name: full}")
    if isinstance(method, FreezeMethod):
        frozen = [n for n in embedding_names(base) if not is_trained_by_freeze(method, n, base.num_layers)]
        if frozen:
            problem = f"the frozen {frozen[0]} would keep new tokens as they begin"
            yield Fault(
                "vocabulary", problem, f"trainable_patterns: ['{frozen[0]}'], or method: {{name: lora}}"
            )


def _has_head_bias(base: BaseFacts) -> bool:
    return any(
        name.endswith(tuple(head.replace("weight", "bias") for head in _HEADS)) for name in base.shapes
    )


def embedding_names(base: BaseFacts) -> list[str]:
    """Return the names of the base's embedding and, where it has weights of its own, head."""
    names = [n for n in base.shapes if n.endswith(_EMBEDDINGS)] + [
        n for n in base.shapes if n.endswith(_HEADS)
    ]
    return [name for name in names if base.shapes[name][0] == base.vocab_size]


def with_vocabulary(
    trainable: Trainable, method: str, base: BaseFacts, *, num_filled: int, num_rows: int
) -> Trainable:
    """Return the counts of a model whose vocabulary has grown.

    Args:
        trainable: Without it.
        method: Name of the method.
        base: Shapes of the base.
        num_filled: Rows that are new; all rows where the whole vocabulary is.
        num_rows: Rows of the grown embedding.
    """
    numbers = [base.num_parameters_of(n) // base.shapes[n][0] for n in embedding_names(base)]
    width = sum(numbers)
    more = (num_rows - base.vocab_size) * width
    # full and freeze hold the rows in the embedding itself; an adapter holds them beside it.
    if trains_rows_beside(method):
        beside = num_filled * width
        return replace(
            trainable,
            num_trainable=trainable.num_trainable + beside,
            num_total=trainable.num_total + more + beside,
        )
    return replace(
        trainable, num_trainable=trainable.num_trainable + more, num_total=trainable.num_total + more
    )


def most_trainable(trainable: Trainable, recipe: Recipe, base: BaseFacts) -> Trainable:
    """Return the counts with the most tokens that a recipe may add; how many it adds follows from the rows."""
    section = recipe.vocabulary
    if section is None:
        return trainable
    if section.new_vocab_size is not None:
        number = section.new_vocab_size + len(section.add_special_tokens)
        return with_vocabulary(trainable, recipe.method.name, base, num_filled=number, num_rows=number)
    terms = section.max_new_tokens_added if isinstance(section.add_tokens, str) else 0
    if isinstance(section.add_tokens, list):
        terms = 2 * len(section.add_tokens)  # with the blank before a word and without
    number = terms + len(section.add_special_tokens)
    rows = base.vocab_size + number
    return with_vocabulary(trainable, recipe.method.name, base, num_filled=number, num_rows=rows)
