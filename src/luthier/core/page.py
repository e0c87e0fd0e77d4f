"""Pages: reports in one look, each a single HTML file that opens offline."""

from __future__ import annotations

import math
from importlib import resources
from typing import Any


def render_page(package: str, template: str, **content: Any) -> str:
    """Return a page; what it shows is escaped.

    Args:
        package: Where the template lies.
        template: Name of a file that extends ``page`` and fills its blocks.
        content: The template's variables.
    """
    from jinja2 import DictLoader, Environment

    sources = {"page": _read("luthier.core", "page.html.jinja"), "own": _read(package, template)}
    environment = Environment(
        loader=DictLoader(sources), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(number=_number, percent=_percent, share=_share, count=_count)
    return environment.get_template("own").render(**content)


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:.4g}"


def _percent(value: float) -> str:
    return "no limit" if math.isinf(value) else f"{value:+.1%}"


def _share(value: float) -> str:
    return f"{value:.2%}" if 0 < value < 0.001 else f"{value:.1%}"


def _count(value: float) -> str:
    return f"{value:,}"
