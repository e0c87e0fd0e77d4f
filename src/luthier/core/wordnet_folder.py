"""Where WordNet's data files are looked for: the folder that the user names, the environment, usual places."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_FILES = ("index.*", "data.*", "*.exc", "cntlist.rev")
USUAL_FOLDERS = ("/usr/share/wordnet", "/usr/local/share/wordnet", "/usr/share/wordnet/dict")


def wordnet_places(named: str | None) -> Sequence[str]:
    """Return the folders that are looked in: the one named, else WNSEARCHDIR or WNHOME/dict, else the usual ones."""
    home = os.environ.get("WNHOME")
    place = named or os.environ.get("WNSEARCHDIR") or (f"{home}/dict" if home else None)
    return (place,) if place else USUAL_FOLDERS


def wordnet_folder(named: str | None) -> Path | None:
    """Return the folder of WordNet's data files; None where there is none."""
    folders = (Path(place) for place in wordnet_places(named))
    return next((folder for folder in folders if (folder / "index.noun").is_file()), None)


def wordnet_files(named: str | None) -> Sequence[str]:
    """Return the absolute paths of WordNet's data files that synonyms follow from, sorted; none where it is not."""
    folder = wordnet_folder(named)
    return sorted(str(file.resolve()) for each in _FILES for file in folder.glob(each)) if folder else ()
