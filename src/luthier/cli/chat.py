"""`luthier chat`: talk to a run or a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from luthier.cli.output import print_json
from luthier.cli.target import adapter_option, adapters_of, model_of
from luthier.core.errors import LuthierError, ModelError

if TYPE_CHECKING:
    from luthier.data.sample import Message
    from luthier.models.chat_model import ChatModel
    from luthier.models.generate import Sampling


@click.command()
@click.argument("target", metavar="RUN_OR_MODEL")
@adapter_option
@click.option("--use", help="With --adapter: the name of the model that answers first.  [default: the first]")
@click.option("--prompt", help="Ask this one question, print the answer and end.")
@click.option("--system", help="System message before the conversation.")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), default=256, show_default=True, help="Longest answer."
)
@click.option(
    "--temperature",
    type=click.FloatRange(0.0, 2.0),
    default=0.0,
    show_default=True,
    help="0 gives the most probable answer.",
)
@click.option("--seed", type=int, help="Of the samples, with a temperature above 0.")
@click.option(
    "--json", "as_json", is_flag=True, help="With --prompt: print question, answer and tokens as JSON."
)
def chat(
    target: str,
    adapters: tuple[str, ...],
    use: str | None,
    prompt: str | None,
    system: str | None,
    max_tokens: int,
    temperature: float,
    seed: int | None,
    as_json: bool,
) -> None:
    """Talk to RUN_OR_MODEL: a run folder, a model folder, models:/NAME@ALIAS, or a base."""
    if as_json and prompt is None:
        raise click.UsageError("--json goes with --prompt")
    if seed is not None and temperature == 0.0:
        raise click.UsageError(
            "--seed has no effect at --temperature 0: the most probable answer is no sample"
        )
    folder, name = model_of(target)
    from luthier.data.sample import Message
    from luthier.models.adapters import load_chat_models
    from luthier.models.generate import Sampling

    models = load_chat_models(folder, name, adapters_of(adapters))
    name = _chosen(use, models) if use is not None else name
    model = models[name]
    sampling = Sampling(max_new_tokens=max_tokens, temperature=temperature, seed=seed)
    opening = [Message("system", system)] if system else []
    if prompt is not None:
        answer, count = _answer(model, [*opening, Message("user", prompt)], sampling, is_quiet=as_json)
        if as_json:
            facts = {"model": name, "prompt": prompt, "answer": answer, "completion_tokens": count}
            print_json(facts)
        return
    others = f", /use NAME switches ({', '.join(models)})" if len(models) > 1 else ""
    click.secho(f"{name}: /new starts over, /quit or Ctrl-D ends{others}", dim=True)
    turns = list(opening)
    while (question := _read_question()) is not None:
        if question == "/new":
            turns = list(opening)
            continue
        if question.startswith("/use "):
            try:
                model = models[_chosen(question.removeprefix("/use ").strip(), models)]
            except click.UsageError as error:
                click.secho(error.message, fg="red", err=True)
            continue
        turns.append(Message("user", question))
        try:
            answer, _ = _answer(model, turns, sampling, is_quiet=False)
        except LuthierError as error:  # the conversation goes on without the question
            click.secho(str(error), fg="red", err=True)
            turns.pop()
            continue
        turns.append(Message("assistant", answer))


def _chosen(name: str, models: Mapping[str, ChatModel]) -> str:
    """Return the name if a model has it."""
    if name not in models:
        raise click.UsageError(f"no model is called {name}; there are: {', '.join(models)}")
    return name


def _read_question() -> str | None:
    """Return what the user types; None at the end."""
    while True:
        try:
            text = input("> ").strip()
        except EOFError:
            click.echo()
            return None
        if text == "/quit":
            return None
        if text:
            return text


def _answer(
    model: ChatModel, turns: Sequence[Message], sampling: Sampling, *, is_quiet: bool
) -> tuple[str, int]:
    """Print an answer as it comes, and return it with its number of tokens."""
    parts, count = [], 0
    prompt = model.prompt_ids(turns)
    room = model.max_positions - len(prompt)
    if room < 1:
        problem = f"the conversation has {len(prompt)} tokens, this model reads {model.max_positions} at most"
        raise ModelError(problem, cure="shorten it, or start over with /new")
    sampling = replace(sampling, max_new_tokens=min(sampling.max_new_tokens, room))
    for piece in model.stream(prompt, sampling):
        parts.append(piece.text)
        count = piece.num_tokens
        if not is_quiet:
            click.echo(piece.text, nl=False)
        if piece.finish_reason == "length" and not is_quiet:
            limit = "--max-tokens" if count < room else "the model's longest text"
            click.secho(f" … (cut at {limit})", dim=True, nl=False)
    if not is_quiet:
        click.echo()
    return "".join(parts), count
