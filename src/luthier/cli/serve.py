"""`luthier serve`: a run or a model over the OpenAI API."""

from __future__ import annotations

import click

from luthier.cli.target import adapter_option, adapters_of, model_of


@click.command()
@click.argument("target", metavar="RUN_OR_MODEL")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free port."
)
@adapter_option
@click.option("--name", help="Name of the model in the API.  [default: the run's or the model's name]")
@click.option(
    "--api-key", envvar="LUTHIER_API_KEY", help="Callers must send this key (also from LUTHIER_API_KEY)."
)
@click.option(
    "--max-waiting",
    type=click.IntRange(min=0),
    default=64,
    show_default=True,
    help="Requests that may wait; more are refused with status 429.",
)
def serve(
    target: str,
    host: str,
    port: int,
    adapters: tuple[str, ...],
    name: str | None,
    api_key: str | None,
    max_waiting: int,
) -> None:
    """Serve RUN_OR_MODEL: a run folder, a model folder, models:/NAME@ALIAS, or a base.

    With --adapter, adapters of its base are served beside it, each under its own model name.
    """
    if api_key == "":
        raise click.UsageError(
            "--api-key is empty: everybody could use the model; leave it out if that is meant"
        )
    from luthier.core.optional import require

    for module in ("fastapi", "uvicorn"):
        require(module, extra="serve", purpose="the server")
    from luthier.serve.server import bind, serve_app

    # Before the model is loaded: a port in use is told at once.
    listener = bind(host, port)
    folder, own_name = model_of(target)
    from luthier.models.adapters import load_chat_models
    from luthier.serve.app import make_app
    from luthier.serve.engine import Engine

    name = name or own_name
    models = load_chat_models(folder, name, adapters_of(adapters))
    first, *others = models
    engine = Engine(models[first], max_waiting=max_waiting)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}/v1"
    click.echo(f"serving {', '.join(models)} at {url}  (Ctrl-C ends)")
    if host not in ("127.0.0.1", "localhost", "::1") and not api_key:
        click.secho(
            "everybody who reaches this address can use the model: set --api-key", fg="yellow", err=True
        )
    served = {key: models[key] for key in others}
    serve_app(make_app(engine, name=first, api_key=api_key, others=served), listener)
