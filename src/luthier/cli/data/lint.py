"""`luthier data lint`: faults of a chat template and tokenizer."""

from __future__ import annotations

import click

from luthier.cli.data.options import base_option, template_option
from luthier.cli.output import json_option, print_json


@click.command("lint")
@base_option
@template_option
@json_option
def lint_template(base: str, chat_template: str | None, as_json: bool) -> None:
    """Look for faults of a base's chat template and tokenizer that would ruin a model silently."""
    from luthier.data.lint import lint
    from luthier.data.template import ChatTemplate
    from luthier.data.tokenizer import load_tokenizer
    from luthier.models.load import locate_base

    template = ChatTemplate(load_tokenizer(locate_base(base)), chat_template)
    findings = lint(template)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        for notice in template.notices:
            click.echo(f"note     {notice}")
        if not template.knows_tools:
            click.echo(
                "note     the chat template knows no tools; their turns are written as <tool_call> text"
            )
        for finding in findings:
            colour = "red" if finding.level == "error" else "yellow"
            click.secho(
                f"{finding.level:<9}{finding.code}: {finding.problem}\n         → {finding.cure}", fg=colour
            )
        if not findings:
            click.secho("no faults found", fg="green")
    if any(finding.level == "error" for finding in findings):
        raise SystemExit(2)
