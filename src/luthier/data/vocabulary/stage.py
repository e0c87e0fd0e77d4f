"""The vocabulary stage: the rows' terms to tokens, with fertility before and after, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from luthier.core.artifact import Artifact
from luthier.core.errors import DataError
from luthier.core.events import EventLog
from luthier.core.files import atomic_folder, read_json, write_json
from luthier.data.curate.stage import CuratedRows, read_rows_of
from luthier.data.sample import Sample
from luthier.data.vocabulary.choose import choose_terms, count_uses
from luthier.data.vocabulary.extend import Extension, extend_tokenizer, keeps_blanks
from luthier.data.vocabulary.fertility import measure_fertility
from luthier.data.vocabulary.retrain import retrain_tokenizer
from luthier.data.vocabulary.term_file import read_terms
from luthier.recipe.vocabulary_section import VocabularySection

SOURCES_FILE = "embedding_sources.json"
REPORT_FILE = "vocabulary.json"


@dataclass(frozen=True)
class Vocabulary(Artifact):
    """A tokenizer with new tokens, ready to be loaded from its folder.

    Args:
        is_new: The whole vocabulary was trained anew; else tokens were added to the base's.
        num_added: Tokens that the base does not have.
        num_filled: Rows of the embedding that are filled: those of the new tokens, or all of a new vocabulary.
        num_rows: Rows that the embedding must have.
        skipped: Terms that became no token, by reason.
        fertility: Of training and held-out rows, before and after.
        special_ids: ``bos``, ``eos`` and ``pad`` of the new tokenizer.
    """

    stage: ClassVar[str] = "vocabulary"

    is_new: bool
    num_added: int
    num_filled: int
    num_rows: int
    skipped: dict[str, int]
    fertility: dict[str, Any]
    special_ids: dict[str, int | None]

    def sources(self) -> dict[int, list[int]]:
        """Return, by id, the base's tokens whose embeddings a new one begins with."""
        return {int(number): ids for number, ids in read_json(self.folder / SOURCES_FILE).items()}

    @property
    def notices(self) -> tuple[str, ...]:
        """What a user should read before training."""
        what = "a new tokenizer" if self.is_new else f"{self.num_added} tokens added"
        sides = [
            f"{side} rows from {f['before']['tokens_per_word']:.2f} to {f['after']['tokens_per_word']:.2f}"
            for side, f in self.fertility.items()
        ]
        told = [f"vocabulary: {what}; tokens a word in {', '.join(sides)}"]
        if self.skipped:
            counted = ", ".join(f"{number} {reason}" for reason, number in self.skipped.items())
            told.append(f"vocabulary: no token was made of {counted} (each term is in {REPORT_FILE})")
        return tuple(told)


def make_vocabulary(
    rows: CuratedRows,
    tokenizer: Any,
    section: VocabularySection,
    *,
    num_base_rows: int,
    recipe_folder: Path,
    folder: Path,
    fingerprint: str,
    events: EventLog,
) -> Vocabulary:
    """Extend or replace the base's tokenizer by what the training rows hold.

    Args:
        rows: What the rows stage made; only training rows are counted.
        tokenizer: Of the base.
        section: Of the recipe.
        num_base_rows: Rows of the base's embedding.
        recipe_folder: A relative term file starts here.
        folder: Gets the tokenizer, ``vocabulary.json`` and the pieces of each new token.
        fingerprint: Of this stage.
        events: Told about the progress.

    Raises:
        DataError: Nothing would be added, or the tokenizer would not give texts back.
    """
    texts = list(_texts(rows, "train"))
    events.emit("step", stage="vocabulary", name="tokens")
    extension = _extension(tokenizer, section, texts, recipe_folder)
    _check_reversible(tokenizer, extension.tokenizer, texts)
    uses = count_uses(extension, texts) if section.new_vocab_size is None else {}
    events.emit("step", stage="vocabulary", name="fertility")
    fertility: dict[str, Any] = {}
    for side, own in (("train", texts), ("eval", list(_texts(rows, "eval")))):
        if own:
            before, after = (measure_fertility(t, own).as_json() for t in (tokenizer, extension.tokenizer))
            fertility[side] = {"before": before, "after": after}
    last = max(extension.sources)
    with atomic_folder(folder) as partial:
        extension.tokenizer.save_pretrained(partial)
        write_json(partial / SOURCES_FILE, extension.sources)
        added = [{"token": t, "uses": uses.get(t)} for t in extension.added]
        write_json(
            partial / REPORT_FILE, {"added": added, "skipped": extension.skipped, "fertility": fertility}
        )
    is_new = section.new_vocab_size is not None
    return Vocabulary(
        folder=folder,
        fingerprint=fingerprint,
        is_new=is_new,
        num_added=len(extension.added),
        num_filled=len(extension.sources),
        num_rows=last + 1 if is_new else max(num_base_rows, last + 1),
        skipped={reason: len(terms) for reason, terms in extension.skipped.items()},
        fertility=fertility,
        special_ids={n: getattr(extension.tokenizer, f"{n}_token_id") for n in ("bos", "eos", "pad")},
    ).save()


def _extension(
    tokenizer: Any, section: VocabularySection, texts: Sequence[str], recipe_folder: Path
) -> Extension:
    special = section.add_special_tokens
    if section.new_vocab_size is not None:
        return retrain_tokenizer(tokenizer, texts, section.new_vocab_size, special)
    if section.add_tokens == "auto":
        chosen = choose_terms(
            tokenizer,
            texts,
            max_terms=section.max_new_tokens_added,
            min_frequency=section.min_frequency,
            max_words=section.max_words,
        )
        extension = extend_tokenizer(tokenizer, [term.text for term in chosen], special)
    else:
        extension = used_terms(tokenizer, listed_terms(section, recipe_folder), special, texts)
    if not extension.added:
        reasons = ", ".join(f"{len(terms)} {reason}" for reason, terms in extension.skipped.items())
        raise DataError(
            f"no token would be added ({reasons or 'no term is frequent enough'})",
            where="vocabulary",
            cure="lower vocabulary.min_frequency, or remove the section",
        )
    return extension


def listed_terms(section: VocabularySection, recipe_folder: Path) -> list[str]:
    """Return the terms that a recipe lists, or names a file of."""
    if isinstance(section.add_tokens, str):
        return read_terms(recipe_folder / section.add_tokens)
    return list(section.add_tokens or ())


def used_terms(
    tokenizer: Any, terms: Sequence[str], special: Sequence[str], texts: Sequence[str]
) -> Extension:
    """Add listed terms in the forms that the rows use: a token that is never trained would keep its first value."""
    blanks = keeps_blanks(tokenizer)
    forms = {term: _forms(term, blanks) for term in terms}
    tried = extend_tokenizer(tokenizer, [form for own in forms.values() for form in own], special)
    uses = count_uses(tried, texts)
    kept = [form for own in forms.values() for form in own if form in uses]
    extension = extend_tokenizer(tokenizer, kept, special)
    reasons = {form: reason for reason, own in tried.skipped.items() for form in own}
    skipped: dict[str, list[str]] = {}
    for mark in special:
        if mark in reasons:
            skipped.setdefault(reasons[mark], []).append(mark)
    for term in terms:
        if not uses.keys() & set(forms[term]):
            found = next(
                (reasons[form] for form in forms[term] if form in reasons), "not_in_the_training_rows"
            )
            skipped.setdefault(found, []).append(term)
    return Extension(extension.tokenizer, extension.sources, extension.added, skipped)


def _forms(term: str, has_blanks: bool) -> list[str]:
    """Return how a term is written as a token: where words carry their blank, with it and without."""
    stripped = term.strip()
    return (
        [f" {stripped}", stripped]
        if has_blanks and stripped[:1].isalnum() and stripped.isascii()
        else [stripped]
    )


def _check_reversible(before: Any, after: Any, texts: Iterable[str]) -> None:
    """Refuse a tokenizer that gives back another text where the base's gives back the same.

    Raises:
        DataError: With a text.
    """
    for text in list(texts)[:500]:
        if _back(before, text) == text and (got := _back(after, text)) != text:
            raise DataError(
                f"with the new tokens {text[:60]!r} would come back as {got[:60]!r}",
                where="vocabulary",
                cure="this kind of tokenizer takes no added tokens; try vocabulary.new_vocab_size",
            )


def _back(tokenizer: Any, text: str) -> str:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))


def _texts(rows: CuratedRows, side: Any) -> Iterator[str]:
    """Yield the texts of a side's rows: what is said in conversations, raw texts, texts to classify."""
    for sample in read_rows_of(rows, side):
        if isinstance(sample, Sample):
            yield from texts_of(sample)


def texts_of(sample: Sample) -> Iterator[str]:
    """Yield the texts of a row that a tokenizer will read."""
    yield from (message.content for message in sample.messages if message.content)
    yield from (t for t in (sample.text, sample.text_pair, sample.question, sample.context) if t)
    if sample.tokens:
        yield " ".join(sample.tokens)
