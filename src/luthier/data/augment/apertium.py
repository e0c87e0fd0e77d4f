"""Translation by Apertium, a rule-based translator that is called as a program and needs no network."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

from luthier.core.errors import DataError, MissingDependencyError

_SECONDS = 600
_BLANK_LINES = re.compile(r"\n\s*\n")


class Apertium:
    """Translates with the installed language pairs of Apertium.

    Args:
        program: Name or path of the program.
    """

    def __init__(self, program: str = "apertium") -> None:
        self.program = program

    def translate(self, texts: Sequence[str], source: str, target: str, seeds: Sequence[int]) -> list[str]:
        """Return as many translations; a rule-based engine needs no seeds.

        Raises:
            MissingDependencyError: The program or the language pair is not installed.
            DataError: It failed.
        """
        self._check(source, target)
        # A line is a unit of translation. Texts go through in one call, as calls cost more than texts.
        lines = [line for text in texts for line in text.split("\n")]
        translated = iter(self._run(lines, f"{source}-{target}"))
        return ["\n".join(next(translated) for _ in text.split("\n")) for text in texts]

    def _check(self, source: str, target: str) -> None:
        cure = f"install Debian's apertium-{source}-{target} (or apertium-{target}-{source})"
        if shutil.which(self.program) is None:
            raise MissingDependencyError(
                f"back-translation by Apertium needs the program {self.program}, which is not installed",
                cure=cure,
            )
        listed = subprocess.run(
            [self.program, "-l"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        pairs = listed.stdout.split()
        if f"{source}-{target}" not in pairs:
            raise MissingDependencyError(
                f"Apertium has no pair {source}-{target}; installed are {', '.join(pairs) or 'none'}",
                cure=cure,
            )

    def _run(self, lines: Sequence[str], pair: str) -> list[str]:
        # Blank lines between them keep Apertium from joining words of two lines to one expression.
        given = "\n\n".join(" ".join(line.split()) or "." for line in lines) + "\n"
        done = subprocess.run(
            [self.program, "-u", pair],
            input=given,
            capture_output=True,
            encoding="utf-8",
            timeout=_SECONDS,
            check=False,
        )
        out = [line.strip() for line in _BLANK_LINES.split(done.stdout.strip("\n"))]
        if done.returncode or len(out) != len(lines):
            said = done.stderr.strip() or f"{len(out)} lines came back for {len(lines)}"
            raise DataError(f"Apertium failed at {pair}: {said}")
        return ["" if not line.strip() else result for line, result in zip(lines, out, strict=True)]
