"""From the recipe's `data.balance` to steps over batches."""

from __future__ import annotations

from collections.abc import Callable

from luthier.data.balance.classes import Find, value_in_sample
from luthier.data.balance.step import Balance, BalanceRows
from luthier.recipe.data_sections.balance import BalanceSection


def steps_of(
    section: BalanceSection,
    *,
    seed: int,
    find: Find = value_in_sample,
    on_balance: Callable[[Balance], None] = lambda balance: None,
) -> list[BalanceRows]:
    """Return the steps that balance training rows: none where the recipe asks for none.

    They belong behind the split: held-out rows are measured as they are, and a copy of one must not be trained.

    Args:
        section: Of the recipe.
        seed: Of the draw.
        find: Reads a field of a row: of a sample, or of a row of a file.
        on_balance: Told what became of the classes.
    """
    if section.by is None:
        return []
    given = section.model_dump(exclude={"by", "rows"}, exclude_none=True)
    by = (section.by,) if isinstance(section.by, str) else tuple(section.by)
    return [BalanceRows(by=by, num_rows=section.rows, seed=seed, find=find, on_balance=on_balance, **given)]
