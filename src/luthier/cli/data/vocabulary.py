"""`luthier data vocabulary`: the terms that a tokenizer shatters, and what tokens for them would save."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from luthier.cli.data.options import base_option, pairs_of, row_bar
from luthier.cli.output import json_option, print_facts, print_json, print_table

_SHOWN = 20


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@base_option
@click.option("--max-tokens", type=click.IntRange(min=1), default=1000, show_default=True, help="Most terms.")
@click.option(
    "--min-frequency",
    type=click.IntRange(min=2),
    default=10,
    show_default=True,
    help="Least uses of a token.",
)
@click.option(
    "--max-words",
    type=click.IntRange(min=1, max=5),
    default=1,
    show_default=True,
    help="Longest phrase in words, in writing with blanks.",
)
@click.option(
    "--terms", type=click.Path(path_type=Path), help="Measure these terms instead of looking for some."
)
@click.option("--schema", help="Name the schema instead of detecting it.")
@click.option(
    "--column", "columns", multiple=True, metavar="FIELD=COLUMN", help="Own column name, e.g. text=review."
)
@click.option("--limit", type=click.IntRange(min=1), help="Read only the first rows of each file.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the terms here, one in a line.")
@json_option
def vocabulary(files: tuple[Path, ...], output: Path | None, as_json: bool, **options: Any) -> None:
    """Find frequent terms of FILES that a tokenizer cuts into pieces; show what tokens for them would save."""
    from luthier.data.tokenizer import load_tokenizer
    from luthier.data.vocabulary.choose import Term, choose_terms, count_uses
    from luthier.data.vocabulary.extend import extend_tokenizer, plain_ids
    from luthier.data.vocabulary.fertility import measure_fertility
    from luthier.data.vocabulary.term_file import read_terms, write_terms
    from luthier.models.load import locate_base

    tokenizer = load_tokenizer(locate_base(options["base"]))
    texts = _texts(files, options, as_json)
    if options["terms"]:
        extension = _listed(tokenizer, read_terms(options["terms"]), texts)
        uses = count_uses(extension, texts)
        found = [Term(t, uses.get(t, 0), len(plain_ids(tokenizer, t))) for t in extension.added]
    else:
        found = choose_terms(
            tokenizer,
            texts,
            max_terms=options["max_tokens"],
            min_frequency=options["min_frequency"],
            max_words=options["max_words"],
        )
        extension = extend_tokenizer(tokenizer, [term.text for term in found])
    before, after = (measure_fertility(t, texts) for t in (tokenizer, extension.tokenizer))
    if output is not None:
        write_terms(output, [term.text for term in found])
    if as_json:
        terms = [
            {"term": t.text, "uses": t.frequency, "pieces": t.num_pieces, "saved": t.saved} for t in found
        ]
        print_json(
            {
                "base": options["base"],
                "rows": len(texts),
                "fertility": {"now": before.as_json(), "with_terms": after.as_json()},
                "left_out": extension.skipped,
                "terms": terms,
            }
        )
        return
    _print(found, extension.skipped, before, after)
    if output is not None:
        click.echo(f"\nwrote {output}; in a recipe: vocabulary: {{add_tokens: {output}}}")


def _listed(tokenizer: Any, terms: Sequence[str], texts: Sequence[str]) -> Any:
    from luthier.data.vocabulary.stage import used_terms

    return used_terms(tokenizer, terms, (), texts)


def _texts(files: Sequence[Path], options: dict[str, Any], as_json: bool) -> list[str]:
    from luthier.core.errors import DataError
    from luthier.data.read import open_source
    from luthier.data.sample import Sample
    from luthier.data.vocabulary.stage import texts_of
    from luthier.recipe.source_section import Source

    texts: list[str] = []
    rejected = None
    with row_bar("reading", is_silent=as_json) as advance:
        for file in files:
            settings = {
                "schema": options["schema"],
                "columns": dict(pairs_of("--column", options["columns"])),
            }
            source = Source.model_validate({"path": str(file), "limit": options["limit"], **settings})
            for number, entry in enumerate(open_source(source, Path()).rows):
                if isinstance(entry, Sample):
                    texts += texts_of(entry)
                else:
                    rejected = entry
                advance(number + 1)
    if not texts:
        raise DataError(
            f"no row has a text{f': {rejected.detail}' if rejected else ''}",
            where=", ".join(map(str, files)),
            cure="`luthier data inspect FILE` shows the rows; --schema and --column name what they are",
        )
    return texts


def _print(found: Sequence[Any], skipped: dict[str, list[str]], before: Any, after: Any) -> None:
    facts = [
        ("terms", f"{len(found):,}, which save {sum(t.saved for t in found):,} of {before.tokens:,} tokens"),
        ("tokens a word", f"{before.per_word:.2f} now, {after.per_word:.2f} with them"),
        ("tokens a character", f"{before.per_character:.2f} now, {after.per_character:.2f} with them"),
    ]
    print_facts(facts + [("left out", f"{len(terms):,} {reason}") for reason, terms in skipped.items()])
    if found:
        click.echo()
        rows = [(repr(t.text), f"{t.frequency:,}", f"{t.num_pieces}", f"{t.saved:,}") for t in found[:_SHOWN]]
        more = [(f"… {len(found) - _SHOWN:,} more", "", "", "")] if len(found) > _SHOWN else []
        print_table(("term", "uses", "pieces now", "tokens saved"), [*rows, *more])
