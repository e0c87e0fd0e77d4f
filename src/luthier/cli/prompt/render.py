"""`luthier prompt render`: what a model is asked about a row."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli.output import json_option, print_json
from luthier.cli.prompt.options import data_of, embedder_of, opened


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Rows.  [default: what the prompt names]")
@click.option("--row", type=click.IntRange(min=1), default=1, show_default=True, help="Number of the row.")
@click.option(
    "--model", help="Count its tokens, show the prompt as its template writes it, and check the length."
)
@json_option
def render(file: Path, data: Path | None, row: int, model: str | None, as_json: bool) -> None:
    """Show what the prompt FILE asks about a row: turns, examples, right answers."""
    from luthier.prompts.load import load_prompt
    from luthier.prompts.rows import read_prompt_rows, row_of

    files = [(file, load_prompt(file))]
    path = data_of(files, data)
    rows = read_prompt_rows(path)
    chosen = row_of(rows, row, path)
    (prompt,) = opened(files, rows, embedder_of)
    rendered = prompt.render(chosen)
    written = num_tokens = None
    if model is not None:
        from luthier.cli.target import model_of
        from luthier.prompts.fit import fitted
        from luthier.prompts.text_side import TextSide

        side = TextSide.from_folder(model_of(model)[0])
        rendered = fitted(prompt, rendered, side)
        num_tokens, written = side.num_tokens(rendered, prompt.file), side.text(rendered, prompt.file)
    if as_json:
        print_json(
            {
                "row": chosen.place,
                "messages": [{"role": turn.role, "content": turn.content} for turn in rendered.messages],
                "references": rendered.references,
                "choices": rendered.choices,
                "examples": [example.place for example in rendered.examples],
                "tokens": num_tokens,
                "text": written,
            }
        )
        return
    for turn in rendered.messages if written is None else ():
        click.secho(turn.role if prompt.file.format == "chat" else "text", bold=True)
        click.echo(f"{turn.content}\n")
    if written is not None:
        click.echo(f"{written}\n")
    facts = [
        ("row", chosen.place),
        ("right", " | ".join(rendered.references) or "the prompt names no answer"),
        ("examples", ", ".join(example.place for example in rendered.examples) or "none"),
        ("choices", f"{len(rendered.choices)}" if rendered.choices else "not given"),
    ]
    if num_tokens is not None:
        facts.append(("tokens", f"{num_tokens:,}"))
    for name, value in facts:
        click.secho(f"{name:<10}", bold=True, nl=False)
        click.echo(value)
