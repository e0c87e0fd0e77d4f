"""Region codes of China (GB/T 2260): which county had which code, and when.

``regions.jsonl`` holds one prefecture a line: its four digits, and the last two digits of its counties,
grouped by the first and last year of their codes; an empty year is the edge of the tables, 1980 and 2019.
The facts are those of the Ministry of Civil Affairs' yearly tables.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

PROVINCES = frozenset(
    str(number)
    for first, last in ((11, 15), (21, 23), (31, 37), (41, 46), (50, 54), (61, 65), (71, 71), (81, 83))
    for number in range(first, last + 1)
)
"""First two digits of every region; 81 to 83 stand in residence permits for Hong Kong, Macau and Taiwan."""

_WITHOUT_COUNTIES = frozenset(("710000", "810000", "820000", "830000"))
_ALWAYS = (0, 9999)


@cache
def county_years() -> dict[str, tuple[int, int]]:
    """Return the first and last year of each county's code of six digits."""
    years = {code: _ALWAYS for code in _WITHOUT_COUNTIES}
    lines = (files("luthier.data.pii") / "regions.jsonl").read_text(encoding="utf-8").splitlines()
    for entry in map(json.loads, lines):
        for span, counties in entry["counties"].items():
            first, last = span.split("-")
            for place in range(0, len(counties), 2):
                code = entry["prefecture"] + counties[place : place + 2]
                years[code] = (int(first or _ALWAYS[0]), int(last or _ALWAYS[1]))
    return years


@cache
def counties() -> tuple[str, ...]:
    """Return the codes of all counties that there have been, sorted."""
    return tuple(sorted(county_years()))
