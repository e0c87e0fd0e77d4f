"""YAML text to values and the line of each path, by the rules of YAML 1.2.

PyYAML reads YAML 1.1, in which ``2e-4`` is a string, ``no`` and ``off`` are false, ``010`` is eight and
``1:30`` is ninety: a recipe would silently mean something else than it says.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from luthier.core.errors import Fault

_MOST_VALUES = 100_000
_DEEPEST = 40


class NotYamlError(ValueError):
    """The text is not YAML, or is no tree that a recipe could be."""


class _Loader(yaml.SafeLoader):
    """SafeLoader with the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema)."""

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """Read a number as it stands: a leading zero does not make it octal."""
        text = str(self.construct_scalar(node))
        base = {"0x": 16, "0o": 8}.get(text[:2], 10)
        return int(text, base)


_CORE_SCHEMA = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    "merge": (r"<<", ["<"]),
}
_Loader.yaml_implicit_resolvers = {}
for _tag, (_pattern, _starts) in _CORE_SCHEMA.items():
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _starts)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_integer)


def read_yaml(text: str) -> tuple[Any, dict[str, int], list[Fault]]:
    """Return the value of a YAML text, the line of every path in it, and keys that stand twice.

    Raises:
        NotYamlError: It is not YAML, holds a value that cannot be read, or contains itself.
    """
    lines: dict[str, int] = {}
    try:
        node = yaml.compose(text, Loader=_Loader)
        faults = _walk(node, "", lines, depth=0)
        return yaml.load(text, Loader=_Loader), lines, faults
    except yaml.YAMLError as error:
        raise NotYamlError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise NotYamlError("it is nested deeper than any recipe") from error
    except NotYamlError:
        raise
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        # What PyYAML's constructors raise on a tagged value that is none, e.g. `!!timestamp x`.
        raise NotYamlError(f"a value cannot be read: {' '.join(str(error).split())}") from error


def _walk(node: yaml.Node | None, path: str, lines: dict[str, int], depth: int) -> list[Fault]:
    """Note the line of every path and report keys that stand twice (PyYAML keeps the last, silently)."""
    if depth > _DEEPEST or len(lines) > _MOST_VALUES:
        raise NotYamlError("it is larger or nested deeper than any recipe, or contains itself")
    faults: list[Fault] = []
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            child = f"{path}.{key_node.value}" if path else str(key_node.value)
            line = key_node.start_mark.line + 1
            if child in lines:
                faults.append(
                    Fault(child, f"stands twice, first in line {lines[child]}", "delete one of them", line)
                )
            lines[child] = line
            faults.extend(_walk(value_node, child, lines, depth + 1))
    elif isinstance(node, yaml.SequenceNode):
        for index, value_node in enumerate(node.value):
            lines[f"{path}[{index}]"] = value_node.start_mark.line + 1
            faults.extend(_walk(value_node, f"{path}[{index}]", lines, depth + 1))
    return faults
