"""Write docs/methods/compatibility.md from the table that the plan refuses by; ``--check`` only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from luthier.plan.compatibility import TRAITS, Refusal, refusal_of
from luthier.recipe.objective_sections import Objective
from luthier.recipe.schema import name_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "methods" / "compatibility.md"
HEAD = """# What goes with what

Made from `src/luthier/plan/compatibility.py` by `make docs`: `luthier plan` refuses by the same table, with the reason
and what to do instead.

"""


def page() -> str:
    """Return the whole page."""
    notes: dict[Refusal, int] = {}
    tables = [_by_objective(notes), _by_property(notes), _fast_path()]
    numbered = [
        f"{number}. {refusal.reason}. Instead: `{refusal.cure}`." for refusal, number in notes.items()
    ]
    return HEAD + "\n".join([*tables, "## Why not", "", *numbered, ""])


def _by_objective(notes: dict[Refusal, int]) -> str:
    objectives = [str(name_of(member)) for member in get_args(get_args(Objective)[0])]
    rows = [
        [f"`{method}`", *(_cell(refusal_of(method, objective), notes) for objective in objectives)]
        for method in TRAITS
    ]
    return _table("Methods and objectives", ["method", *(f"`{name}`" for name in objectives)], rows)


def _by_property(notes: dict[Refusal, int]) -> str:
    columns = {
        "packing": lambda traits: traits.packing,
        "gradient checkpointing": lambda traits: traits.gradient_checkpointing,
        "encoders (BERT)": lambda traits: traits.encoders,
        "several heads": lambda traits: traits.several_heads,
        "merge": lambda traits: traits.merging,
    }
    rows = [
        [
            f"`{method}`",
            "yes" if traits.starts_as_base else "no",
            *(_cell(refused(traits), notes) for refused in columns.values()),
        ]
        for method, traits in TRAITS.items()
    ]
    return _table("Methods and everything else", ["method", "starts as the base", *columns], rows)


def _fast_path() -> str:
    rows = [[f"`{method}`", traits.fast_path] for method, traits in TRAITS.items()]
    return _table("What runs on the fast path", ["method", "parts"], rows)


def _cell(refusal: Refusal | None, notes: dict[Refusal, int]) -> str:
    return "yes" if refusal is None else f"no ({notes.setdefault(refusal, len(notes) + 1)})"


def _table(title: str, head: list[str], rows: list[list[str]]) -> str:
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *rows)]
    return "\n".join([f"## {title}", "", *(f"| {line} |" for line in lines), ""])


def main() -> None:
    """Rewrite the page, or fail if it would change."""
    text = page()
    if "--check" not in sys.argv:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/methods/compatibility.md is behind the code: run `make docs`")


if __name__ == "__main__":
    main()
