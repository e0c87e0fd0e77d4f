"""`luthier data versions rights`, `grant`, `revoke` and `new-key`: who may do what, and keys."""

from __future__ import annotations

import click

from luthier.cli.data.versions_options import name_argument, open_dataset, store_options
from luthier.cli.output import json_option, print_json, print_table


@click.command()
@name_argument
@store_options
@json_option
def rights(name: str, store: str | None, principal: str | None, as_json: bool) -> None:
    """List who may read, write and grant rights on the data set NAME."""
    state = open_dataset(name, store, principal).state()
    if as_json:
        print_json({"dataset": name, "is_restricted": state.is_restricted, "rights": state.rights})
    elif not state.is_restricted:
        click.echo(f"{name} is open: no right was granted yet")
    else:
        print_table(("principal", "right"), sorted(state.rights.items()))


@click.command()
@name_argument
@click.argument("to")
@click.argument("right", type=click.Choice(["read", "write", "admin"]))
@store_options
@json_option
def grant(name: str, to: str, right: str, store: str | None, principal: str | None, as_json: bool) -> None:
    """Give TO a right on the data set NAME: read, write or admin, each with those before it.

    TO may be `everyone`. From the first grant on, whoever is named by --as needs a right.
    """
    from luthier.data.versions.rights import grant as grant_right

    dataset = open_dataset(name, store, principal)
    grant_right(dataset, to, right)
    if as_json:
        print_json({"dataset": name, "rights": dataset.log.state().rights})
    else:
        click.secho(
            f"{to} may {right} {name}" if right != "admin" else f"{to} is admin of {name}", fg="green"
        )


@click.command()
@name_argument
@click.argument("principal_to_revoke", metavar="FROM")
@store_options
@json_option
def revoke(
    name: str, principal_to_revoke: str, store: str | None, principal: str | None, as_json: bool
) -> None:
    """Take the right of FROM on the data set NAME away."""
    from luthier.data.versions.rights import revoke as revoke_right

    dataset = open_dataset(name, store, principal)
    revoke_right(dataset, principal_to_revoke)
    if as_json:
        print_json({"dataset": name, "rights": dataset.log.state().rights})
    else:
        click.echo(f"{principal_to_revoke} has no right on {name} any more")


@click.command("new-key")
@click.option("--keyring", is_flag=True, help="Keep it in the system's keyring instead of printing it.")
@json_option
def new_key(keyring: bool, as_json: bool) -> None:
    """Make a key for encryption at rest. Whoever loses it loses the rows: keep a copy elsewhere."""
    from luthier.data.versions import encryption

    text = encryption.new_key()
    if keyring:
        encryption.keep_in_keyring(text)
    if as_json:
        print_json({"is_in_keyring": True} if keyring else {"is_in_keyring": False, "key": text})
    elif keyring:
        click.secho(
            "a new key is in the keyring; it encrypts from now on, older ones still decrypt", fg="green"
        )
    else:
        click.echo(text)
