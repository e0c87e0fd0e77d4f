"""`luthier doctor`: check this machine and installation."""

from __future__ import annotations

import shutil
import sys
from importlib import metadata
from pathlib import Path

import click

from luthier.cli.output import json_option, print_json

_CORE = ("torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors", "numpy", "pydantic")
_EXTRAS = {"registry": ("mlflow",), "serve": ("fastapi", "uvicorn")}


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Check this machine and installation; ends with code 1 if something that every run needs is wrong."""
    checks = [*_installation(), *_machine(), *_bases()]
    if as_json:
        print_json([{"check": n, "ok": ok, "found": text} for n, ok, text in checks])
    else:
        for name, is_ok, text in checks:
            mark = click.style("ok  ", fg="green") if is_ok else click.style("look", fg="yellow")
            click.echo(f"{mark}  {name:<28}{text}")
    if not all(is_ok for name, is_ok, _ in checks if name in _CORE):
        sys.exit(1)


def _installation() -> list[tuple[str, bool, str]]:
    checks = [(name, *_version(name)) for name in _CORE]
    for extra, packages in _EXTRAS.items():
        for package in packages:
            is_there, text = _version(package)
            checks.append(
                (package, is_there, text if is_there else f"absent; pip install 'luthier[{extra}]'")
            )
    return checks


def _version(package: str) -> tuple[bool, str]:
    try:
        return True, metadata.version(package)
    except metadata.PackageNotFoundError:
        return False, "absent"


def _machine() -> list[tuple[str, bool, str]]:
    from luthier.core.home import cache_folder
    from luthier.plan.hardware import detect_hardware

    hardware = detect_hardware()
    free = shutil.disk_usage(Path.cwd()).free
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    return [
        ("processor", True, f"{hardware.device_name}, {hardware.num_cores} cores"),
        (
            "bfloat16",
            hardware.has_native_bfloat16,
            "native" if hardware.has_native_bfloat16 else "emulated: slow",
        ),
        ("memory", hardware.memory_bytes > 4e9, f"{hardware.memory_bytes / 1e9:.0f} GB"),
        ("disk here", free > 2e9, f"{free / 1e9:.0f} GB free"),
        ("cache", True, str(cache)),
    ]


def _bases() -> list[tuple[str, bool, str]]:
    from luthier.models.catalogue import CATALOGUE

    return [
        (f"base {name}", entry.is_installed, "installed" if entry.is_installed else entry.install)
        for name, entry in CATALOGUE.items()
    ]
