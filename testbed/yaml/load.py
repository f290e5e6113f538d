"""YAML to frozen dataclasses: every mistake of a file is found in one reading, each with its line.

A model describes its own YAML by type hints:

- a field is a key, with ``_`` for ``-`` or ``_``; a field without a default is required;
- ``Annotated[int, Quantity(parse_duration, "a duration")]`` is a quantity with a unit;
- ``Enum``, ``Literal``, ``bool``, ``int``, ``str``, ``tuple[T, ...]`` and ``Mapping[str, T]`` mean what they say;
- a union of dataclasses is told apart by the ``Literal`` of its field ``kind``;
- a union of a scalar, a list and a mapping (``bool | Cache``, ``str | tuple[str, ...]``) by its shape in the YAML;
- ``yaml_key`` in a field's metadata names a key that is no Python identifier (``from``);
- a field ``place: Place`` receives where the mapping stands, for checks across the file;
- a field ``name: str = of_key()`` of a dataclass in a ``Mapping`` receives its key.

What the reader fills in is no key: a user cannot write it.

A dataclass checks itself in ``problems() -> Iterable[Problem]``, called when all its fields are good.
"""

from __future__ import annotations

import dataclasses
import enum
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import yaml

from testbed import paths
from testbed.errors import InputError, Place, Problem, did_you_mean
from testbed.yaml import overrides
from testbed.yaml.overrides import Override

T = TypeVar("T")


@dataclass(frozen=True)
class Quantity:
    """The unit of a number: how its text is read, and what to call it in a message."""

    parse: Callable[[str], int | float]
    noun: str


_SHAPES: Mapping[type[yaml.Node], str] = {
    yaml.ScalarNode: "a single value",
    yaml.SequenceNode: "a list",
    yaml.MappingNode: "a mapping",
}


def shape(hint: Any) -> type[yaml.Node]:
    """Return the kind of YAML node that a type is written as."""
    origin = typing.get_origin(hint)
    if origin is tuple:
        return yaml.SequenceNode
    mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return yaml.MappingNode if mapping or dataclasses.is_dataclass(hint) else yaml.ScalarNode


OTHERWISE = "OTHERWISE"
"""The class variable of a model that knows other words for its keys, and what to write in their place."""
_OF_KEY = "of_key"


def of_key() -> Any:
    """Return a dataclass's field that receives the key under which it stands (or, at a file's top, nothing)."""
    return dataclasses.field(default="", metadata={_OF_KEY: True})


def keys(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of a model that a user writes, by their keys in YAML; what the reader fills in is none."""
    written = (f for f in dataclasses.fields(cls) if f.name != "place" and not f.metadata.get(_OF_KEY))
    return {f.metadata.get("yaml_key", f.name): f for f in written}


class _Refused(Exception):
    """A value could not be read; its problem has been noted."""


def read(path: Path, cls: type[T], changes: Iterable[Override] = ()) -> T:
    """Read the YAML file at ``path``, with ``changes`` to it, as ``cls``.

    Raises InputError with every problem found.
    """
    try:
        return parse(path.read_text(encoding="utf-8"), cls, paths.shown(path), changes)
    except OSError as error:
        raise InputError(
            paths.shown(path), f"cannot be read ({error.strerror})", "give a YAML file"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(paths.shown(path), f"not UTF-8 text ({error.reason})", "give a YAML file") from error


def parse(text: str, cls: type[T], file: str, changes: Iterable[Override] = ()) -> T:
    """Read YAML ``text`` as ``cls``; ``file`` is its name in messages. Raises InputError."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise InputError(Place(file, line), f"not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise InputError(Place(file), f"not YAML: {error}") from error
    if node is None:
        raise InputError(Place(file), "the file is empty", f"write a {_noun(cls)}")
    overrides.apply(node, changes)
    reader = _Reader(file)
    try:
        value = reader.value(node, cls, _noun(cls))
    except _Refused:
        raise InputError.of(reader.problems) from None
    if reader.problems:
        raise InputError.of(reader.problems)
    return cast(T, value)


def _noun(cls: type) -> str:
    """Return what a file of a model is called in messages: ``BenchFile`` is a bench file."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", cls.__name__).lower()


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def refuse(self, node: yaml.Node, found: str, expected: str) -> _Refused:
        self.problems.append(Problem(self.place(node), found, expected))
        return _Refused()

    def place(self, node: yaml.Node) -> Place:
        keys = {}
        if isinstance(node, yaml.MappingNode):
            keys = {str(key.value): self.place(key) for key, _ in node.value}
        if node.start_mark.name.startswith(overrides.ORIGIN):
            return Place(node.start_mark.name, keys=keys)
        return Place(self.file, node.start_mark.line + 1, keys)

    def value(self, node: yaml.Node, hint: Any, what: str) -> Any:
        """Read one node as the type ``hint``; ``what`` names it in messages."""
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            _, quantity = typing.get_args(hint)
            return self.quantity(node, quantity, what)
        if origin in (typing.Union, types.UnionType):
            return self.union(node, typing.get_args(hint), what)
        if origin is tuple:
            return self.sequence(node, typing.get_args(hint), what)
        if origin is Literal:
            return self.choice(node, {str(v): v for v in typing.get_args(hint)}, what)
        if origin is not None and issubclass(origin, Mapping):
            return self.mapping(node, typing.get_args(hint)[1], what)
        if dataclasses.is_dataclass(hint):
            return self.dataclass(node, cast(type, hint), what)
        if issubclass(hint, enum.Enum):
            return self.choice(node, {str(member.value): member for member in hint}, what)
        return self.scalar(node, hint, what)

    def text(self, node: yaml.Node, what: str, expected: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            shape = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
            raise self.refuse(node, f"{what} is {shape}", f"write {expected}")
        return str(node.value)

    def quantity(self, node: yaml.Node, quantity: Quantity, what: str) -> int | float:
        text = self.text(node, what, quantity.noun)
        try:
            return quantity.parse(text)
        except ValueError as error:
            raise self.refuse(node, f"{what} is {text!r}", f"write {quantity.noun}: {error}") from None

    def choice(self, node: yaml.Node, known: Mapping[str, Any], what: str) -> Any:
        text = self.text(node, what, f"one of {', '.join(known)}")
        if text not in known:
            raise self.refuse(node, f"unknown {what} {text!r}", did_you_mean(text, known))
        return known[text]

    def scalar(self, node: yaml.Node, hint: type, what: str) -> Any:
        nouns = {str: "text", int: "a whole number", float: "a number", bool: "on or off"}
        text = self.text(node, what, nouns[hint])
        value = text if hint is str else yaml.safe_load(text)
        if hint is float and type(value) is int:
            value = float(value)
        if type(value) is not hint or not text:
            raise self.refuse(node, f"{what} is {text!r}", f"write {nouns[hint]}")
        return value

    def sequence(self, node: yaml.Node, arguments: tuple[Any, ...], what: str) -> tuple[Any, ...]:
        variable = len(arguments) == 2 and arguments[1] is Ellipsis
        if not isinstance(node, yaml.SequenceNode):
            raise self.refuse(node, f"{what} is not a list", "write a list: [a, b] or one '- item' a line")
        if not variable and len(node.value) != len(arguments):
            raise self.refuse(node, f"{what} has {len(node.value)} items", f"write {len(arguments)}")
        hints = [arguments[0]] * len(node.value) if variable else list(arguments)
        return tuple(self.each((item, hint, what) for item, hint in zip(node.value, hints, strict=True)))

    def each(self, items: Iterable[tuple[yaml.Node, Any, str]]) -> list[Any]:
        """Read all items before giving up, so that one reading reports them all."""
        values, refused = [], False
        for node, hint, what in items:
            try:
                values.append(self.value(node, hint, what))
            except _Refused:
                refused = True
        if refused:
            raise _Refused
        return values

    def entries(self, node: yaml.Node, what: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse(node, f"{what} is not a mapping", "write 'key: value' pairs")
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            if str(key.value) in found:
                raise self.refuse(key, f"key {key.value!r} stands twice in {what}", "write it once")
            found[str(key.value)] = value
        return found

    def mapping(self, node: yaml.Node, hint: Any, what: str) -> Mapping[str, Any]:
        entries = self.entries(node, what)
        values = self.each((value, hint, f"{what} {key!r}") for key, value in entries.items())
        return types.MappingProxyType(
            {key: _named(value, key) for key, value in zip(entries, values, strict=True)}
        )

    def union(self, node: yaml.Node, options: tuple[Any, ...], what: str) -> Any:
        options = tuple(option for option in options if option is not type(None))
        if len(options) > 1 and len(shapes := {shape(option): option for option in options}) > 1:
            if type(node) not in shapes:
                words = " or ".join(_SHAPES[known] for known in shapes)
                raise self.refuse(node, f"{what} is {_SHAPES[type(node)]}", f"write {words}")
            options = tuple(option for option in options if shape(option) is type(node))
        if len(options) == 1:
            return self.value(node, options[0], what)
        kinds = {str(typing.get_args(_hints(option)["kind"])[0]): option for option in options}
        entries = self.entries(node, what)
        if "kind" not in entries:
            raise self.refuse(node, f"{what} has no 'kind'", f"add kind: {' | '.join(kinds)}")
        return self.value(node, self.choice(entries["kind"], kinds, f"kind of {what}"), what)

    def dataclass(self, node: yaml.Node, cls: type, what: str) -> Any:
        entries, hints = self.entries(node, what), _hints(cls)
        fields = keys(cls)
        given = {key: value for key, value in entries.items() if key in fields}
        refused = False
        for key in entries.keys() - fields.keys():
            place = self.place(node).keys[key]
            expected = getattr(cls, OTHERWISE, {}).get(key) or did_you_mean(key, fields)
            self.problems.append(Problem(place, f"unknown key {key!r} in {what}", expected))
        for key, field in fields.items():
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and key not in given:
                refused = True
                self.problems.append(Problem(self.place(node), f"{what} has no {key!r}", f"add '{key}: ...'"))
        values = self.each((value, hints[fields[key].name], key) for key, value in given.items())
        if refused:
            raise _Refused
        arguments = {fields[key].name: value for key, value in zip(given, values, strict=True)}
        if "place" in hints:
            arguments["place"] = self.place(node)
        built = cls(**arguments)
        check = getattr(built, "problems", None)
        self.problems.extend(check() if check else ())
        return built


def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _named(value: Any, key: str) -> Any:
    """Give a dataclass of a mapping its key as its name."""
    if not dataclasses.is_dataclass(value):
        return value
    named = [field.name for field in dataclasses.fields(value) if field.metadata.get(_OF_KEY)]
    return dataclasses.replace(cast(Any, value), **dict.fromkeys(named, key))
