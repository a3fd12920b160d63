"""YAML text to plain values, with the line of every key kept. What the values mean is not known here.

Scalars resolve as in YAML 1.2: only ``true`` and ``false`` are booleans, so the country NO stays "NO";
``10:30`` is text, not 630; a date is text. Nothing but plain mappings, lists and scalars is built.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_STR = "tag:yaml.org,2002:str"

_MAX_NODES = 100_000  # aliases of aliases multiply; no playbook comes near


class _CoreLoader(yaml.SafeLoader):
    """Composes nodes only; its scalar rules are those of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - filled below, never inherited


for _tag, _pattern, _first in (
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INT, r"[-+]?[0-9]+", list("-+0123456789")),
    (_FLOAT, r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})$"), _first)


@dataclass(frozen=True, slots=True)
class YamlProblem:
    """Something wrong with the text itself. ``line`` counts from 1; ``path`` as in `Document.line_of`."""

    line: int
    path: tuple[str | int, ...]
    message: str
    advice: str = ""


class Document:
    """One YAML document: its plain ``value``, its problems, and the line of any path inside it."""

    def __init__(self, root: yaml.Node | None, first_line: int) -> None:
        self._root = root
        self._first_line = first_line
        self._open: set[int] = set()
        self._built = 0
        self.problems: list[YamlProblem] = []
        self.value: Any = None if root is None else self._plain(root, ())

    def line_of(self, path: Sequence[str | int]) -> int:
        """The line (from 1) of the key or item at ``path``, or of the nearest thing around it."""
        node, line = self._root, self._first_line
        for part in path:
            if isinstance(node, yaml.MappingNode):
                found = [(k, v) for k, v in node.value if _key(k) == str(part)]
                if not found:
                    break
                line, node = self._line(found[-1][0]), found[-1][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = self._line(node)
            else:
                break
        return line

    def _line(self, node: yaml.Node) -> int:
        return self._first_line + int(node.start_mark.line)

    def _plain(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self._built += 1
        if id(node) in self._open:
            self._problem(node, path, "an anchor contains its own alias", "write the value out")
            return None
        if self._built > _MAX_NODES:
            if self._built == _MAX_NODES + 1:
                self._problem(node, path, "too large once its aliases are written out", "use fewer aliases")
            return None
        self._open.add(id(node))
        try:
            return self._value(node, path)
        finally:
            self._open.discard(id(node))

    def _value(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self._plain(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, path)
        self._problem(node, path, f"tag {node.tag} is not allowed", "write a plain value")
        return None

    def _scalar(self, node: yaml.ScalarNode, path: tuple[str | int, ...]) -> Any:
        try:
            return _SCALARS[node.tag](node.value)
        except ValueError:
            # Only an explicit tag (!!int x) or a number of thousands of digits gets here.
            self._problem(
                node, path, "not a value of its tag", "remove the tag, or write the value in quotes"
            )
            return None

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        out: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            name = _key(key_node)
            if name is None:
                self._problem(key_node, path, "a key must be a single value", "write the key as one word")
                continue
            here = (*path, name)
            if name in seen:
                self._problem(
                    key_node, here, f"duplicate key, first seen on line {seen[name]}", "keep one of the two"
                )
                continue
            seen[name] = self._line(key_node)
            key = self._plain(key_node, here)
            out["" if key is None else key] = self._plain(value_node, here)
        return out

    def _problem(self, node: yaml.Node, path: tuple[str | int, ...], message: str, advice: str) -> None:
        self.problems.append(YamlProblem(self._line(node), path, message, advice))


def _key(node: yaml.Node) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


_SCALARS: dict[str, Any] = {
    _NULL: lambda _: None,
    _BOOL: lambda text: text.lower() == "true",
    _INT: int,
    _FLOAT: float,
    _STR: str,
}


def parse(text: str, first_line: int = 1) -> Document:
    """Read one YAML document; ``first_line`` is the file's line number of the text's first line.

    Never raises: where the text is no YAML, ``value`` is None and ``problems`` says why.
    """
    try:
        root = yaml.compose(text, Loader=_CoreLoader)
    except yaml.YAMLError as error:
        document = Document(None, first_line)
        document.problems.append(_syntax(error, text, first_line))
        return document
    except RecursionError:
        document = Document(None, first_line)
        document.problems.append(YamlProblem(first_line, (), "nested too deeply", "flatten it"))
        return document
    return Document(root, first_line)


def _syntax(error: yaml.YAMLError, text: str, first_line: int) -> YamlProblem:
    advice = "check indentation, quotes and colons here and on the line before"
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        line = first_line + (mark.line if mark else 0)
        if error.context_mark and error.context_mark.line + first_line < line:
            what += f", begun on line {error.context_mark.line + first_line}"
        return YamlProblem(line, (), f"not valid YAML: {what}", advice)
    position = int(getattr(error, "position", 0))
    line = first_line + text.count("\n", 0, position)
    return YamlProblem(line, (), "not valid YAML: a control character", "delete it")
