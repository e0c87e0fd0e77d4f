"""Tags: names of versions, which move only on request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from luthier.data.versions.dataset import LATEST, DataSet, moment_of
from luthier.data.versions.state import State, Version

_TAG = re.compile(r"\w[\w.-]{0,99}")


def set_tag(dataset: DataSet, tag: str, ref: str | None = None, *, may_move: bool = False) -> Version:
    """Give a tag to a version, and return that.

    Args:
        dataset: That the version belongs to.
        tag: Letters, digits, dot, dash and underscore.
        ref: Which version; see `DataSet.resolve`.
        may_move: Whether it may be taken from another version.

    Raises:
        DataError: There is no such version, or the tag cannot be given to it.
    """

    def decide(state: State) -> Mapping[str, Any] | None:
        number = dataset.resolve(ref, state).number
        check_tag(dataset, state, tag, number, may_move=may_move)
        if state.tags.get(tag) == number:
            return None
        return {"action": "tag", "tag": tag, "version": number}

    state = dataset.commit("write", decide)
    return state.versions[state.tags[tag]]


def remove_tag(dataset: DataSet, tag: str) -> None:
    """Take a tag away.

    Raises:
        DataError: There is no such tag.
    """

    def decide(state: State) -> Mapping[str, Any]:
        if tag not in state.tags:
            raise dataset.fault(
                f"there is no tag {tag}", f"its tags are {', '.join(state.tags) or 'none yet'}"
            )
        return {"action": "untag", "tag": tag}

    dataset.commit("write", decide)


def check_tag(dataset: DataSet, state: State, tag: str | None, number: int | None, *, may_move: bool) -> None:
    """Refuse a tag that cannot be one, or that another version has.

    Args:
        dataset: Whose tag it would be.
        state: Of the data set.
        tag: Or None, which is no fault.
        number: Version that is to have it; None for one that is not known yet.
        may_move: Whether it may be taken from another version.

    Raises:
        DataError: With what to do instead.
    """
    if tag is None:
        return
    if not _TAG.fullmatch(tag) or tag.isdecimal() or tag == LATEST or moment_of(tag):
        raise dataset.fault(
            f"{tag!r} cannot be a tag",
            "letters, digits, dot, dash and underscore; no number, no date, not `latest`",
        )
    holder = state.tags.get(tag)
    if number is not None and holder not in (None, number) and not may_move:
        raise dataset.fault(
            f"tag {tag} belongs to version {holder}, not {number}", "move it with --move-tag, or take another"
        )
