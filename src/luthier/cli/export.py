"""`luthier export`: a result as a folder for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from luthier.cli.output import json_option, print_facts, print_json
from luthier.cli.target import model_of


@click.command()
@click.argument("target", metavar="RUN_OR_MODEL")
@click.option("--adapter-only", "form", flag_value="adapter", help="The adapter, for its base in PEFT.")
@click.option(
    "--merged", "form", flag_value="merged", help="A whole model: adapters are merged into their base."
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    help="Of a whole model's weights.  [default: as trained]",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="New folder.")
@json_option
def export(target: str, form: str | None, dtype: str | None, output: Path, as_json: bool) -> None:
    """Export RUN_OR_MODEL: a run folder, a model folder or models:/NAME@ALIAS.

    The folder is what transformers and PEFT load, with tokenizer, chat template and generation settings. Before it
    is there, its logits are compared with those of the result.
    """
    if form is None:
        raise click.UsageError("say which: --adapter-only or --merged")
    if dtype and form == "adapter":
        raise click.UsageError("--dtype has no effect on an adapter, which stays in float32")
    folder, _ = model_of(target)
    from luthier.evaluate.export import export_adapter, export_merged

    made = export_adapter(folder, output) if form == "adapter" else export_merged(folder, output, dtype)
    if as_json:
        print_json(vars(made))
        return
    facts = [("folder", made.folder), ("form", f"{made.form}, {made.dtype}")]
    if made.form == "merged":
        facts.append(("merging", f"largest difference of a logit {made.logit_difference:.1e}, in float32"))
    facts.append(
        (
            "as written",
            f"largest difference of a logit {made.rounded_logit_difference:.1e}; "
            f"same next token at {made.same_next_token:.1%} of the positions",
        )
    )
    if made.four_bit_logit_difference is not None and made.four_bit_same_next_token is not None:
        facts.append(
            (
                "base not in 4 bits",
                f"moves a logit by {made.four_bit_logit_difference:.2g} at most; same next token at "
                f"{made.four_bit_same_next_token:.1%}: the result over 4 bits is what was evaluated",
            )
        )
    print_facts(facts)
