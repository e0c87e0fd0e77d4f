"""Which label an answer in words names."""

from __future__ import annotations

import re
from collections.abc import Sequence


def named_label(answer: str, labels: Sequence[str]) -> int | None:
    """Return the label that an answer is, or the only one that it names; None for none or several.

    Args:
        answer: Of a model or a person; case, quotes and a full stop make no difference.
        labels: All labels.
    """
    said = answer.strip().strip("\"'`.。!「」“”*").strip().casefold()
    names = [label.casefold() for label in labels]
    if said in names:
        return names.index(said)
    # Look-arounds on ASCII: `no` is not in `know`, and Chinese has no spaces around words.
    named = [
        number
        for number, name in enumerate(names)
        if re.search(rf"(?<![a-z0-9_]){re.escape(name)}(?![a-z0-9_])", said)
    ]
    # A label that is part of another named one (`good` in `very good`) is not named by itself.
    named = [n for n in named if not any(n != m and names[n] in names[m] for m in named)]
    return named[0] if len(named) == 1 else None
