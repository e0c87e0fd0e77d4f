"""`luthier data augment`: new rows made from those of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.data.options import field_option, file_argument, output_option, row_bar
from luthier.cli.output import json_option, print_facts, print_json, print_table
from luthier.core.errors import DataError
from luthier.core.wording import count_of

if TYPE_CHECKING:
    import pyarrow

    from luthier.data.augment.counts import AugmentCounts
    from luthier.data.augment.step import Augmentation
    from luthier.data.operators.files import Tally
    from luthier.recipe.data_sections.augment import AugmentSection

_WITH_RATE = ("synonyms", "insertion", "deletion", "swap", "typing", "ocr", "homophones", "masking")
_KINDS = (*_WITH_RATE, "prefix", "suffix", "sentence_order", "back_translation", "paraphrase")
_TAKERS: dict[str, tuple[str, ...]] = {
    "rate": _WITH_RATE,
    "file": ("synonyms", "insertion"),
    "wordnet": ("synonyms", "insertion"),
    "mask": ("masking",),
    "phrases": ("prefix", "suffix"),
    "pivot": ("back_translation",),
    "model": ("back_translation", "paraphrase"),
    "prompt": ("paraphrase",),
}
_FLAGS = {"file": "--synonyms", "phrases": "--phrase"}


@click.command()
@file_argument
@output_option
@click.option(
    "--kind", "kinds", type=click.Choice(_KINDS), multiple=True, required=True, help="Again for more."
)
@click.option(
    "--share",
    type=click.FloatRange(min=0.0, min_open=True),
    default=0.3,
    show_default=True,
    help="New rows of all kinds together, as a share of the rows of FILE.",
)
@click.option(
    "--max-share",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.5,
    show_default=True,
    help="Cap: greatest share of augmented rows among the rows that come out, and in each class.",
)
@click.option("--seed", type=click.IntRange(min=0), default=42, show_default=True, help="Makes every choice.")
@click.option(
    "--rate", type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True), help="Share of a text's words."
)
@click.option("--label-field", help="Field with the class of a row.")
@click.option("--per-class", is_flag=True, help="Give each class its share, and hold each to the cap.")
@click.option(
    "--min-per-class", type=click.IntRange(min=1), help="Fill up classes with fewer rows, instead of --share."
)
@click.option(
    "--gate",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    help="Drop new rows whose embedding has a smaller cosine with their source row's.",
)
@click.option("--embedder", help="Embedding model of the gate.  [default: minilm, which reads English]")
@click.option(
    "--max-edit-distance",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    help="Drop new rows of which a greater share of the characters changed.",
)
@click.option(
    "--attempts", type=click.IntRange(min=1), default=3, show_default=True, help="Tries for each new row."
)
@click.option("--synonyms", "file_", help="Synonym file, a group of words a line.")
@click.option("--wordnet", help="Folder of WordNet's data files.")
@click.option("--mask", help="Mark of masking.  [default: [MASK]]")
@click.option("--phrase", "phrases", multiple=True, help="Phrase of prefix and suffix; again for more.")
@click.option("--pivot", help="Language of back-translation, as its ISO 639-3 code.  [default: spa]")
@click.option("--model", help="Chat model that paraphrases or translates.  [translation's default: Apertium]")
@click.option("--prompt", help="What the model is told for a paraphrase, with {text} in it.")
@click.option(
    "--eval",
    "held_out",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File of held-out rows, which no new row may repeat; again for more.",
)
@click.option(
    "--provenance/--no-provenance",
    default=True,
    help="Whether each row gets the fields `group` and `augmented`.  [default: yes]",
)
@field_option
@json_option
def augment(file: Path, output: Path, fields: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Write the rows of FILE and new rows made from them, never altering an answer, a label or a tag."""
    _check_fields(fields)
    step = _step(_section(options), fields, options)
    from luthier.data.operators.files import open_batches, write_batches

    shown: list[tuple[str, str, str]] = []
    with row_bar("augmenting", is_silent=as_json) as advance:
        batches = _watched(step(open_batches(file, fields)), shown)
        tally = write_batches(batches, output, on_progress=lambda tally: advance(tally.rows))
    if as_json:
        print_json({"file": str(output), "rows": tally.kept, "augmentation": step.counts.as_json()})
        return
    _print(step.counts, tally, output, shown)


def _check_fields(fields: Iterable[str]) -> None:
    from luthier.data.augment.targets import is_never_altered

    for name in fields:
        if is_never_altered(name):
            raise DataError(
                "holds an answer, a label or a rule: augmentation never alters it",
                where=f"--field {name}",
                cure="name the fields that hold what is asked",
            )


def _section(options: dict[str, Any]) -> AugmentSection:
    """Return the options as the recipe's section, whose rules are the same."""
    from pydantic import ValidationError

    from luthier.recipe.data_sections.augment import AugmentSection

    kinds = tuple(dict.fromkeys(options["kinds"]))
    given = {
        name: list(value) if isinstance(value, tuple) else value
        for name in _TAKERS
        if (value := options["file_" if name == "file" else name]) not in (None, ())
    }
    for name in given:
        if not set(kinds) & set(_TAKERS[name]):
            flag = _FLAGS.get(name, f"--{name}")
            raise DataError(f"takes effect with {', '.join(_TAKERS[name])} only", where=flag)
    if "paraphrase" in kinds and "model" not in given:
        raise DataError(
            "a paraphrase needs a chat model", where="--kind paraphrase", cure="name one with --model"
        )
    operations = [
        {"kind": kind, "share": options["share"] / len(kinds)}
        | {name: value for name, value in given.items() if kind in _TAKERS[name]}
        for kind in kinds
    ]
    embedder = options["embedder"] or ("minilm" if options["gate"] is not None else None)
    section = {
        "operations": operations,
        "min_similarity": options["gate"],
        "embedder": embedder,
        **{
            name: options[name]
            for name in (
                "max_share", "label_field", "per_class", "min_per_class", "max_edit_distance", "attempts",
            )
        },
    }  # fmt: skip
    try:
        return AugmentSection.model_validate(section)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(first["msg"].removeprefix("Value error, "), where=place or None) from error


def _step(section: AugmentSection, fields: tuple[str, ...], options: dict[str, Any]) -> Augmentation:
    from luthier.data.augment.build import steps_of
    from luthier.data.augment.held_out import held_out_keys
    from luthier.data.operators.files import open_batches

    keys = {key for path in options["held_out"] for key in held_out_keys(open_batches(path, fields))}
    names = ("group", "augmented") if options["provenance"] else (None, None)
    (step,) = steps_of(
        section,
        seed=options["seed"],
        folder=Path(),
        load_embed=_load_embed,
        load_write=_load_write,
        held_out=keys,
        group_field=names[0],
        provenance_field=names[1],
    )
    return step


def _load_embed(name: str) -> Any:
    from luthier.models.embed import Embedder

    return Embedder(name)


def _load_write(name: str) -> Any:
    from luthier.models.chat_writer import ChatWriter

    return ChatWriter(name)


def _watched(
    batches: Iterable[pyarrow.RecordBatch], shown: list[tuple[str, str, str]]
) -> Iterator[pyarrow.RecordBatch]:
    """Pass batches on, and keep one new row of each kind to show."""
    import pyarrow

    from luthier.data.augment.provenance import provenance_of
    from luthier.data.operators.batch import is_changed

    for batch in batches:
        changed = batch.filter(pyarrow.array(is_changed(batch)))
        columns = (changed[name].to_pylist() for name in ("changes", "reason", "paths", "texts"))
        for changes, reason, paths, texts in zip(*columns, strict=True):
            origin = provenance_of(changes) if reason is None else None
            if origin is None or origin.kind in {kind for kind, _, _ in shown}:
                continue
            altered = changes[1]
            after = dict(zip(paths, texts, strict=True)).get(altered["path"]) or " ".join(texts)
            shown.append((origin.kind, altered["before"], after))
        yield batch


def _print(counts: AugmentCounts, tally: Tally, output: Path, shown: Iterable[tuple[str, str, str]]) -> None:
    facts = [("rows", f"{counts.total('rows'):,}"), ("new rows", f"{counts.total('made'):,}")]
    optional = {
        "augmented before": counts.total("augmented"),
        "forbidden by the cap": counts.total("capped"),
        "wanted, not made": counts.missing,
        "rows without a class": counts.without_label,
        "rows with nothing to alter": counts.without_target,
    }
    facts += [(name, f"{number:,}") for name, number in optional.items() if number]
    if "" not in counts.classes:
        grown = [each for each in counts.classes.values() if each.made]
        facts.append(("classes", f"{len(grown):,} of {len(counts.classes):,} grew"))
    print_facts([*facts, ("written", f"{output}: {count_of(tally.kept, 'row')}")])
    dropped = counts.dropped_by_kind()
    kinds = sorted({*counts.made, *dropped})
    reasons = ("unchanged", "duplicate", "held_out", "drift")
    print_table(
        ("kind", "new rows", *(f"dropped: {reason}" for reason in reasons)),
        [
            (
                kind,
                f"{counts.made[kind]:,}",
                *(f"{dropped.get(kind, {}).get(reason, 0):,}" for reason in reasons),
            )
            for kind in kinds
        ],
    )
    for kind, before, after in shown:
        click.secho(f"\n{kind}", bold=True)
        click.echo(f"  {_short(before)}\n→ {_short(after)}")


def _short(text: str, limit: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"
