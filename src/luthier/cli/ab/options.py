"""Options that the commands of `luthier ab` share: values by name, such as ``control=0.5,treatment=0.5``."""

from __future__ import annotations

from luthier.core.errors import LuthierError


def shares_of(text: str) -> dict[str, float]:
    """Return the shares of variants by name, in the order in which they stand.

    Raises:
        LuthierError: A part has no name, no number or a share that is not positive, or there are not two.
    """
    cure = "write control=0.5,treatment=0.5"
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, value = named_number(part, "--shares", cure)
        if name in shares:
            raise LuthierError(f"{name!r} stands twice", where="--shares", cure=cure)
        if not value > 0:
            raise LuthierError(
                f"{name} has a share of {value:g}, which is not positive", where="--shares", cure=cure
            )
        shares[name] = value
    if len(shares) < 2:
        raise LuthierError("an experiment has two variants or more", where="--shares", cure=cure)
    return shares


def named_number(part: str, option: str, cure: str) -> tuple[str, float]:
    """Return name and number of ``name=number``."""
    name, _, value = part.rpartition("=")
    try:
        if not name.strip():
            raise ValueError
        return name.strip(), float(value)
    except ValueError:
        raise LuthierError(f"{part!r} is not NAME=NUMBER", where=option, cure=cure) from None
