"""Templates of prompts: Jinja in a sandbox, strict about what is missing, empty or no text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from luthier.core.errors import DataError, Fault, RecipeError

_ONE_EXPRESSION = re.compile(r"\s*\{\{-?(.*?)-?\}\}\s*", re.DOTALL)


class TextList(list[str]):
    """Texts that a template may go through, and that read as one list where it does not."""

    def __str__(self) -> str:
        return ", ".join(self)


class Template:
    """A text with variables.

    Args:
        text: Jinja: ``{{ question }}``, ``{{ answers[0].text }}``, ``{{ label | words }}``.
        place: Where it stands, e.g. ``prompts/a.yaml: template``.

    Attributes:
        variables: Names that it reads.

    Raises:
        RecipeError: It is no template.
    """

    def __init__(self, text: str, place: str) -> None:
        from jinja2 import TemplateError, meta

        self.place = place
        environment = _environment()
        try:
            self.variables = frozenset(meta.find_undeclared_variables(environment.parse(text)))
            self._template = environment.from_string(text)
            self._expression = self._compiled(text)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            where = f"line {line} of the text: " if line else ""
            raise RecipeError([Fault("", f"{where}{error}")], source=place) from error

    @staticmethod
    def _compiled(text: str) -> Callable[..., Any] | None:
        """Return the value of a text that is one expression and nothing else."""
        found = _ONE_EXPRESSION.fullmatch(text)
        if found is None or "}}" in found[1]:
            return None
        return _environment().compile_expression(found[1], undefined_to_none=False)

    def render(self, fields: Mapping[str, Any], where: str) -> str:
        """Return the text of a row.

        Args:
            fields: By name.
            where: The row, for messages.

        Raises:
            DataError: A field is missing, empty, or no text.
        """
        return self._guarded(lambda: self._template.render(fields), fields, where).strip("\n")

    def texts(self, fields: Mapping[str, Any], where: str) -> list[str]:
        """Return the texts of a template that may stand for several: an expression that gives a list.

        Raises:
            DataError: See `render`; or the list is empty.
        """
        if self._expression is not None:
            value = self._guarded(lambda: self._listed(fields), fields, where)
            if isinstance(value, list):
                if not value:
                    raise DataError(f"{self.place} gives no text", where=where)
                return [str(_checked(entry)) for entry in value]
        return [self.render(fields, where)]

    def _listed(self, fields: Mapping[str, Any]) -> Any:
        assert self._expression is not None
        value = self._expression(fields)
        is_list = not isinstance(value, str | Mapping) and hasattr(value, "__iter__")
        return list(value) if is_list else value

    def _guarded(self, make: Callable[[], Any], fields: Mapping[str, Any], where: str) -> Any:
        from jinja2 import TemplateError

        try:
            return make()
        except (TemplateError, _NotText, TypeError, ValueError, ArithmeticError, LookupError) as error:
            problem, cure = str(error), f"mend the row, or {self.place}"
            if missing := sorted(self.variables - set(fields)):
                problem = f"has no field {missing[0]!r}"
                cure = f"{self.place} needs it: mend the row, or write {{{{ {missing[0]} | default('') }}}}"
            raise DataError(problem, where=where, cure=cure) from error


class _NotText(ValueError):
    """A variable that cannot be written as text."""


def _checked(value: Any) -> Any:
    """Refuse what Jinja would write in Python's spelling."""
    from jinja2 import Undefined

    if value is None:
        raise _NotText("a variable is empty (null)")
    if isinstance(value, TextList | Undefined | str | int | float):
        return value
    kind = (
        "a list"
        if isinstance(value, list | tuple)
        else "an object"
        if isinstance(value, Mapping)
        else "no text"
    )
    raise _NotText(
        f"a variable is {kind}, of which one part was expected, e.g. {{{{ name[0] }}}} or {{{{ name.part }}}}"
    )


def _words(text: str) -> str:
    """Write a label such as ``card_arrival`` in words."""
    return " ".join(re.split(r"[\s_]+", text)).strip()


def _after(text: str, mark: str) -> str:
    """Return what follows the last mark."""
    _, found, rest = text.rpartition(mark)
    if not found:
        raise _NotText(f"{mark!r} does not stand in the text")
    return rest.strip()


@cache
def _environment() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=_checked, autoescape=False
    )
    environment.filters.update(words=_words, after=_after)
    return environment
