"""International bank account numbers (ISO 13616): the form that each country gives them, and two check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from luthier.data.pii.checks import iban_remainder
from luthier.data.pii.finding import Finding

HINT = r"[A-ZＡ-Ｚ]{2}[0-9０-９]{2} ?[0-9A-Za-z０-９Ａ-Ｚａ-ｚ]"
_HEAD = re.compile(r"[A-Z](?<![0-9A-Za-z].)[A-Z][0-9]{2}")
_CLASSES = {"n": "[0-9]", "a": "[A-Z]", "c": "[0-9A-Za-z]"}

_FORMS = """
    AD=8n12c AE=19n AL=8n16c AT=16n AZ=4a20c BA=16n BE=12n BG=4a6n8c BH=4a14c BI=23n BR=23n1a1c BY=4c4n16c CH=5n12c
    CR=18n CY=8n16c CZ=20n DE=18n DJ=23n DK=14n DO=4c20n EE=16n EG=25n ES=20n FI=14n FK=2a12n FO=14n FR=10n11c2n
    GB=4a14n GE=2a16n GI=4a15c GL=14n GR=7n16c GT=4c20c HN=4a20n HR=17n HU=24n IE=4a14n IL=19n IQ=4a15n IS=22n
    IT=1a10n12c JO=4a4n18c KW=4a22c KZ=3n13c LB=4n20c LC=4a24c LI=5n12c LT=16n LU=3n13c LV=4a13c LY=21n MC=10n11c2n
    MD=2c18c ME=18n MK=3n10c2n MN=16n MR=23n MT=4a5n18c MU=4a19n3a NI=4a20n NL=4a10n NO=11n OM=3n16c PK=4a16c PL=24n
    PS=4a21c PT=21n QA=4a21c RO=4a16c RS=18n RU=14n15c SA=2n18c SC=4a20n3a SD=14n SE=20n SI=15n SK=20n SM=1a10n12c
    SO=19n ST=21n SV=4a20n TL=19n TN=20n TR=5n1n16c UA=6n19c VA=18n VG=4a16n XK=16n YE=4a4n18c
"""
FORMS = dict(entry.split("=") for entry in _FORMS.split())
"""What follows the check digits, by country, in SWIFT's notation: counts of digits, capitals, either."""


def find(text: str) -> Iterator[Finding]:
    """Yield the account numbers in a text, solid or in groups of four."""
    for match in _HEAD.finditer(text):
        if (form := FORMS.get(match.group()[:2])) is None:
            continue
        found = _pattern(form).match(text, match.end())
        if found and iban_remainder((match.group() + found.group()).replace(" ", "")) == 1:
            start, end = match.start(), found.end()
            yield Finding("iban", start, end, text[start:end], "checked")


@cache
def _pattern(form: str) -> re.Pattern[str]:
    """Return the pattern of what follows the check digits, with a space before each group or none at all."""
    classes = [
        _CLASSES[letter] for count, letter in re.findall(r"(\d+)([nac])", form) for _ in range(int(count))
    ]
    grouped = "".join(f" {one}" if place % 4 == 0 else one for place, one in enumerate(classes))
    return re.compile(rf"(?:{''.join(classes)}|{grouped})(?![0-9A-Za-z])")
