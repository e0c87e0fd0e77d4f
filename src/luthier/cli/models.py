"""`luthier models`: list, show, promote and roll back registered models; the catalogue of bases."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from luthier.cli.output import json_option, print_facts, print_json, print_table

if TYPE_CHECKING:
    from luthier.registry.mlflow_registry import Registry, Version

_registry = click.option(
    "--tracking-uri", help="MLflow store.  [default: MLFLOW_TRACKING_URI or sqlite:///mlflow.db]"
)


@click.group()
def models() -> None:
    """List, show, promote and roll back registered models."""


def _open(tracking_uri: str | None) -> Registry:
    from luthier.registry.mlflow_registry import Registry

    return Registry(tracking_uri)


@models.command("list")
@_registry
@json_option
def list_models(tracking_uri: str | None, as_json: bool) -> None:
    """List registered models with their aliases."""
    registry = _open(tracking_uri)
    found = {name: registry.versions(name) for name in registry.names()}
    if as_json:
        print_json([{"name": n, "versions": [asdict(v) for v in versions]} for n, versions in found.items()])
        return
    if not found:
        click.echo(f"no models in {registry.uri} yet; a recipe's `register` section adds them")
        return
    rows = []
    for name, versions in found.items():
        aliases = ", ".join(f"{a} → {v.number}" for v in versions for a in v.aliases)
        rows.append((name, str(len(versions)), aliases, _when(versions[0]) if versions else ""))
    print_table(("name", "versions", "aliases", "newest"), rows)


@models.command("show")
@click.argument("name")
@_registry
@json_option
def show(name: str, tracking_uri: str | None, as_json: bool) -> None:
    """Show the versions of NAME with their figures; models:/NAME@ALIAS or models:/NAME/3 shows one in full."""
    from luthier.registry.address import SCHEME
    from luthier.registry.mlflow_registry import HISTORY_PREFIX

    registry = _open(tracking_uri)
    is_one = name.startswith(SCHEME)
    versions = [registry.resolve(name)] if is_one else registry.versions(name)
    if as_json:
        facts = [asdict(version) for version in versions]
        print_json(facts[0] if is_one else facts)
        return
    if is_one:
        print_facts(_facts(versions[0]))
        return
    metrics = sorted({m for v in versions for m in v.metrics if not m.startswith(("base_", HISTORY_PREFIX))})
    rows = [
        (str(v.number), ", ".join(v.aliases), v.run, _when(v))
        + tuple(f"{v.metrics[m]:.4g}" if m in v.metrics else "" for m in metrics)
        for v in versions
    ]
    print_table(("version", "aliases", "run", "made", *metrics), rows)


@models.command("promote")
@click.argument("name")
@click.argument("version", type=click.IntRange(min=1))
@click.option("--alias", default="production", show_default=True, help="Alias to move.")
@_registry
def promote(name: str, version: int, alias: str, tracking_uri: str | None) -> None:
    """Move an alias of NAME to VERSION."""
    _open(tracking_uri).promote(name, version, alias)
    click.echo(f"{name}@{alias} is version {version} now")


@models.command("rollback")
@click.argument("name")
@click.option("--alias", default="production", show_default=True, help="Alias to move back.")
@_registry
def rollback(name: str, alias: str, tracking_uri: str | None) -> None:
    """Move an alias of NAME back to the version that it pointed to before."""
    version = _open(tracking_uri).rollback(name, alias)
    click.echo(f"{name}@{alias} is version {version} again")


@models.command("catalogue")
@json_option
def catalogue(as_json: bool) -> None:
    """List the bases that installable packages carry."""
    from luthier.models.catalogue import CATALOGUE

    entries: list[dict[str, Any]] = [
        {
            "name": name,
            **{k: getattr(e, k) for k in ("description", "licence", "install")},
            "installed": e.is_installed,
        }
        for name, e in CATALOGUE.items()
    ]
    if as_json:
        print_json(entries)
        return
    rows = [
        (e["name"], e["description"], e["licence"], "yes" if e["installed"] else e["install"])
        for e in entries
    ]
    print_table(("name", "what", "licence", "installed"), rows)


def _when(version: Version) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(version.created / 1000))


def _facts(version: Version) -> list[tuple[str, str]]:
    rows = [("version", version.uri), ("aliases", ", ".join(version.aliases) or "none"), ("run", version.run)]
    rows += [("made", _when(version)), ("mlflow run", version.mlflow_run)]
    rows += [(key, f"{value:.6g}") for key, value in sorted(version.metrics.items())]
    return rows + sorted(version.parameters.items())
