"""Rights per data set: who may read, write and grant; kept in the log, checked where a principal is named."""

from __future__ import annotations

from luthier.core.errors import DataError
from luthier.data.versions.state import State

RIGHTS = ("read", "write", "admin")
"""Each includes those before it."""

EVERYONE = "everyone"
"""A principal that all others count as."""


def check(state: State, principal: str | None, right: str, where: str) -> None:
    """Refuse a principal that lacks a right.

    A data set is open until the first grant, and closed from then on, even when all are revoked. Without
    a principal nothing is checked: whoever can reach the files can read them anyway; a server names the
    principal of each request.

    Raises:
        DataError: The principal may not do this.
    """
    if principal is None or not state.is_restricted:
        return
    given = [state.rights[name] for name in (principal, EVERYONE) if name in state.rights]
    if not any(RIGHTS.index(held) >= RIGHTS.index(right) for held in given):
        holds = f"has the right to {given[0]} only" if given else "has no rights"
        admins = sorted(name for name, held in state.rights.items() if held == "admin")
        raise DataError(
            f"{principal} {holds}, and this needs {right}",
            where=where,
            cure=f"ask {', '.join(admins) or 'the owner of the store'} to grant it",
        )
