"""``--set KEY=VALUE``: change a value of a YAML file for one run, without writing to the file.

A key is a path through the file: ``hub.failover``, ``uplinks.lte.trace``, ``events.0.at``. What it
names need not stand in the file, since most keys have a default; whether it may stand there is checked
with the file itself, by the same rules and with the same messages.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from testbed.errors import InputError

ORIGIN = "--set"
"""How the marks of nodes that were set begin their name; see load.py."""


@dataclass(frozen=True)
class Override:
    """A value for a key of a file; ``value`` is YAML text."""

    keys: tuple[str, ...]
    value: str

    @classmethod
    def parse(cls, text: str) -> Override:
        """Read ``KEY=VALUE``. Raises InputError."""
        key, equals, value = text.partition("=")
        keys = tuple(part.strip() for part in key.split("."))
        if not equals or not value.strip() or not all(keys):
            raise InputError(ORIGIN, f"{text!r}", "write KEY=VALUE, such as hub.failover=none")
        return cls(keys, value.strip())

    def __str__(self) -> str:
        return f"{'.'.join(self.keys)}={self.value}"

    @property
    def origin(self) -> str:
        """The override's place in messages."""
        return f"{ORIGIN} {self}"


def apply(root: yaml.Node, overrides: Iterable[Override]) -> None:
    """Set the overrides' values in a document. Raises InputError where a path leads nowhere."""
    for override in overrides:
        _set(root, override, override.keys)


def resolved(path: Path, overrides: Sequence[Override]) -> str:
    """Return the text of a YAML file with the overrides carried out; its first comment lines stay.

    Raises InputError where a path leads nowhere. The file itself has been read before.
    """
    text = path.read_text(encoding="utf-8")
    if not overrides:
        return text
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        raise InputError(str(path), "the file is empty", "write YAML")
    apply(root, overrides)
    comments = list(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines()))
    changed = [f"# changed: {override}" for override in overrides]
    return "\n".join([*comments, *changed, yaml.serialize(root, Dumper=yaml.SafeDumper)])


def _set(node: yaml.Node, override: Override, keys: tuple[str, ...]) -> None:
    first, rest = keys[0], keys[1:]
    if isinstance(node, yaml.SequenceNode):
        if not first.isdecimal() or int(first) >= len(node.value):
            known = f"items count from 0 to {len(node.value) - 1}" if node.value else "the list is empty"
            raise InputError(override.origin, f"no item {first!r} in the list", known)
        if rest:
            _set(node.value[int(first)], override, rest)
        else:
            node.value[int(first)] = _compose(override, override.value)
        return
    if not isinstance(node, yaml.MappingNode):
        raise InputError(override.origin, f"{first!r} lies below a plain value", "name the value itself")
    for index, (key, value) in enumerate(node.value):
        if key.value == first:
            if rest:
                _set(value, override, rest)
            else:
                node.value[index] = (_compose(override, first), _compose(override, override.value))
            return
    # Keys that the file leaves to their defaults: the mappings in between are made.
    text = override.value
    for key in reversed(rest):
        text = f"{{{key}: {text}}}"
    node.value.append((_compose(override, first), _compose(override, text)))


def _compose(override: Override, text: str) -> yaml.Node:
    loader = yaml.SafeLoader(text)
    loader.name = override.origin
    try:
        node = loader.get_single_node()
        if node is None:
            raise InputError(override.origin, "no value", "write KEY=VALUE")
    except yaml.YAMLError as error:
        raise InputError(override.origin, "not YAML", str(error).partition("\n")[0]) from error
    finally:
        loader.dispose()
    return node
