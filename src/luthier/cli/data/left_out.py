"""What commands that leave rows out have in common: counting on the way, and telling what is out and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from luthier.cli.output import print_table
from luthier.core.wording import count_of

if TYPE_CHECKING:
    import pyarrow

    from luthier.data.operators.files import Tally

_EXAMPLES = 5


def counted(
    batches: Iterable[pyarrow.RecordBatch], advance: Callable[[int], None]
) -> Iterator[pyarrow.RecordBatch]:
    """Yield batches, and tell how many rows have passed."""
    num_rows = 0
    for batch in batches:
        num_rows += batch.num_rows
        advance(num_rows)
        yield batch


class Examples:
    """A few of the rows that are left out, with the reason."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    def noted(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Yield batches, and keep the first rows that are left out."""
        for batch in batches:
            if len(self.rows) < _EXAMPLES:
                out = batch.filter(batch["reason"].is_valid())
                found = zip(out["row"].to_pylist(), out["detail"].to_pylist(), strict=True)
                self.rows += [(f"row {row}", detail) for row, detail in found][: _EXAMPLES - len(self.rows)]
            yield batch


def print_left_out(tally: Tally, examples: Examples, output: Path) -> None:
    """Print how many rows are out for which reason, some of them, and what was written."""
    if tally.left_out:
        print_table(("left out", "rows"), [(reason, f"{n:,}") for reason, n in tally.left_out.most_common()])
        click.echo()
        print_table(("for example", "why"), examples.rows)
    more = f", and {output.name}.rejected.jsonl beside it" if tally.left_out else ""
    click.echo(f"\nwrote {output}: {count_of(tally.kept, 'row')}{more}")
