"""Rights per data set: who may read, write and grant; kept in the log, checked where a principal is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from luthier.core.errors import DataError
from luthier.data.versions.state import State

if TYPE_CHECKING:
    from luthier.data.versions.dataset import DataSet

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


def grant(dataset: DataSet, principal: str, right: str) -> None:
    """Give a principal a right, in place of the one it has; from the first grant on the data set is closed.

    Args:
        dataset: That the right is for.
        principal: Who gets it; `EVERYONE` for all.
        right: One of `RIGHTS`.

    Raises:
        DataError: Who asks may not grant, or nobody who may would be left.
    """

    def decide(state: State) -> Mapping[str, Any] | None:
        if state.rights.get(principal) == right:
            return None
        _check_admins(dataset, state.rights | {principal: right}, state)
        return {"action": "grant", "principal": principal, "right": right}

    dataset.commit("admin", decide)


def revoke(dataset: DataSet, principal: str) -> None:
    """Take a principal's right away.

    Raises:
        DataError: It has none, who asks may not revoke, or nobody who may would be left.
    """

    def decide(state: State) -> Mapping[str, Any]:
        if principal not in state.rights:
            known = ", ".join(state.rights) or "nobody yet"
            raise dataset.fault(f"{principal} has no right", f"rights were granted to {known}")
        _check_admins(dataset, {n: r for n, r in state.rights.items() if n != principal}, state)
        return {"action": "revoke", "principal": principal}

    dataset.commit("admin", decide)


def _check_admins(dataset: DataSet, after: Mapping[str, str], state: State) -> None:
    if "admin" in state.rights.values() and "admin" not in after.values():
        raise dataset.fault("nobody would be left who may grant rights", "grant admin to another first")
