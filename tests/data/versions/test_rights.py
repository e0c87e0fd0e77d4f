"""Rights: checked where a principal is named, from the first grant on."""

import pytest

from luthier.core.errors import DataError
from luthier.data.versions.garbage import collect, forget
from luthier.data.versions.read import StoredVersion
from luthier.data.versions.rights import grant, revoke
from luthier.data.versions.rollback import roll_back
from luthier.data.versions.store import Store
from luthier.data.versions.tags import set_tag
from luthier.data.versions.verify import faults

from .conftest import rows_at, take

_ROWS = [{"n": 1}]


@pytest.fixture
def as_(store):
    """A function from a principal to the store that it sees."""
    return lambda principal: Store(store.url, principal=principal)


def test_a_data_set_is_open_until_the_first_grant(store, as_):
    take(store, _ROWS)
    assert rows_at(as_("eve")) == _ROWS
    grant(store.dataset("reviews"), "ann", "read")
    with pytest.raises(DataError, match="eve has no rights, and this needs read"):
        rows_at(as_("eve"))
    assert rows_at(as_("ann")) == rows_at(store) == _ROWS


def test_who_makes_a_data_set_owns_it(as_):
    take(as_("ann"), _ROWS)
    with pytest.raises(DataError, match="ask ann to grant it"):
        rows_at(as_("eve"))
    with pytest.raises(DataError, match="needs write"):
        take(as_("eve"), [{"n": 2}])
    grant(as_("ann").dataset("reviews"), "eve", "write")
    assert take(as_("eve"), [{"n": 2}]).version.author == "eve"


@pytest.mark.parametrize(
    ("needed", "act"),
    [
        ("read", lambda d: StoredVersion(d, d.resolve())),
        ("read", lambda d: list(faults(d))),
        ("write", lambda d: set_tag(d, "x")),
        ("write", roll_back),
        ("admin", lambda d: grant(d, "eve", "admin")),
        ("admin", lambda d: revoke(d, "bob")),
        ("admin", lambda d: forget(d, "1")),
        ("admin", collect),
    ],
)
@pytest.mark.parametrize("held", ["none", "read", "write", "admin"])
def test_each_action_needs_its_right_and_each_right_includes_the_lesser(store, as_, needed, act, held):
    for n in (1, 2):
        take(store, [{"n": n}])
    grant(store.dataset("reviews"), "ann", "admin")
    grant(store.dataset("reviews"), "bob", "read")
    if held != "none":
        grant(store.dataset("reviews"), "eve", held)
    dataset = as_("eve").dataset("reviews")
    order = ["none", "read", "write", "admin"]
    if order.index(held) >= order.index(needed):
        act(dataset)
    else:
        with pytest.raises(DataError, match=f"needs {needed}"):
            act(dataset)


def test_everyone_and_revocation(store, as_):
    take(as_("ann"), _ROWS)
    dataset = as_("ann").dataset("reviews")
    grant(dataset, "everyone", "read")
    assert rows_at(as_("eve")) == _ROWS
    revoke(dataset, "everyone")
    with pytest.raises(DataError, match="eve has no rights"):
        rows_at(as_("eve"))
    with pytest.raises(DataError, match="everyone has no right"):
        revoke(dataset, "everyone")


def test_somebody_stays_who_may_grant(as_):
    take(as_("ann"), _ROWS)
    dataset = as_("ann").dataset("reviews")
    with pytest.raises(DataError, match="nobody would be left"):
        revoke(dataset, "ann")
    with pytest.raises(DataError, match="nobody would be left"):
        grant(dataset, "ann", "read")


def test_the_environment_names_the_principal(store, as_, monkeypatch):
    take(as_("ann"), _ROWS)
    monkeypatch.setenv("LUTHIER_PRINCIPAL", "eve")
    with pytest.raises(DataError, match="eve has no rights"):
        rows_at(Store(store.url))
