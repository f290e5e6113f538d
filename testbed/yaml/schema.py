"""JSON Schemas of the YAML files, made from the models by the very type hints that ``testbed.yaml.load`` reads.

With one, an editor checks and completes a file while it is written. A schema says what one mapping may
hold; what must hold across a file (an event of an uplink that exists) remains the model's to say.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from testbed import units
from testbed.yaml import load
from testbed.yaml.load import Quantity, shape

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: Mapping[type, Schema] = {
    # The loader takes the text of any scalar: ``at_most: 2`` is the text "2".
    str: {"type": ["string", "number", "boolean"], "minLength": 1},
    int: {"type": "integer"},
    float: {"type": "number"},
    # The words that YAML 1.1 reads as booleans are text to the YAML 1.2 of many editors.
    bool: {"enum": [True, False, "on", "off", "yes", "no"]},
}


@dataclasses.dataclass(frozen=True)
class _Notation:
    """How a quantity is written: its units, an example, and how a default is printed."""

    units: Iterable[str]
    example: str
    write: Callable[[float], str] | None = None

    @property
    def pattern(self) -> str:
        known = list(self.units)
        aliases = [alias for alias, unit in units.ALIASES.items() if unit in known]
        return (
            rf"^\s*\+?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\s*({'|'.join(map(re.escape, known + aliases))})\s*$"
        )


_NOTATIONS: Mapping[Callable[[str], int | float], _Notation] = {
    units.parse_duration: _Notation(units.DURATION_UNITS, "25 s", units.format_duration),
    units.parse_rate: _Notation(units.RATE_UNITS, "100 Mbit/s", units.format_rate),
    units.parse_size: _Notation(units.SIZE_UNITS, "2 MB", units.format_size),
    units.parse_share: _Notation(("%",), "60 %", units.format_share),
    units.parse_price: _Notation(units.PRICE_UNITS, "4.50 USD/GB"),
    units.parse_frequency: _Notation(units.FREQUENCY_UNITS, "5/s"),
}


def schema(title: str, cls: type) -> Schema:
    """Return the JSON Schema of the files that are read as ``cls``."""
    writer = _Writer()
    root = writer.object(cls)
    return {"$schema": DIALECT, "title": title, **root, "$defs": dict(sorted(writer.definitions.items()))}


class _Writer:
    """Follows type hints as the loader's reader does; dataclasses become definitions."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def of(self, hint: Any) -> Schema:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return _quantity(arguments[1])
        if origin in (typing.Union, types.UnionType):
            return self.union([option for option in arguments if option is not type(None)])
        if origin is tuple:
            return self.sequence(arguments)
        if origin is Literal:
            return {"enum": list(map(str, arguments))}
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if dataclasses.is_dataclass(hint):
            return self.reference(typing.cast(type, hint))
        if issubclass(hint, enum.Enum):
            return {"enum": [str(member.value) for member in hint]}
        return dict(_SCALARS[hint])

    def sequence(self, arguments: tuple[Any, ...]) -> Schema:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": self.of(arguments[0])}
        count = len(arguments)
        items = [self.of(argument) for argument in arguments]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": count}

    def union(self, options: list[Any]) -> Schema:
        """Return the schema of dataclasses told apart by ``kind``; of an optional value, that of the value;
        and of a scalar, a list or a mapping, that of each."""
        if len(options) == 1:
            return self.of(options[0])
        if len(set(map(shape, options))) > 1:
            return {"anyOf": list(map(self.of, options))}
        kinds = {str(typing.get_args(_hints(option)["kind"])[0]): option for option in options}
        cases = [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": self.reference(option),
            }
            for kind, option in kinds.items()
        ]
        known = {"kind": {"enum": list(kinds)}}
        return {"type": "object", "properties": known, "required": ["kind"], "allOf": cases}

    def reference(self, cls: type) -> Schema:
        if cls.__name__ not in self.definitions:
            self.definitions[
                cls.__name__
            ] = {}  # holds the place while a type that contains itself is followed
            self.definitions[cls.__name__] = self.object(cls)
        return {"$ref": f"#/$defs/{cls.__name__}"}

    def object(self, cls: type) -> Schema:
        """Return the schema of a dataclass: the keys that the loader knows, and no other."""
        hints = _hints(cls)
        properties: dict[str, Schema] = {}
        required: list[str] = []
        for key, field in load.keys(cls).items():
            properties[key] = self.of(hints[field.name]) | _default(field, hints[field.name])
            if choices := field.metadata.get("choices"):
                properties[key] = _choice(choices, field.metadata.get("else")) | _default(field, str)
            if field.default is field.default_factory is dataclasses.MISSING:
                required.append(key)
        return {
            "description": (inspect.getdoc(cls) or "").replace("``", "`"),
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }


def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def _quantity(quantity: Quantity) -> Schema:
    if quantity.parse not in _NOTATIONS:
        return {"type": ["string", "number"], "description": quantity.noun}
    notation = _NOTATIONS[quantity.parse]
    description = f"{quantity.noun}, such as '{notation.example}'; units: {', '.join(notation.units)}"
    return {"type": "string", "pattern": notation.pattern, "description": description}


def _choice(words: Iterable[str], otherwise: str | None) -> Schema:
    """Return the schema of one of these words, or of text with the pattern ``otherwise``."""
    known: Schema = {"enum": list(words)}
    return known if otherwise is None else {"anyOf": [known, {"type": "string", "pattern": otherwise}]}


def _default(field: dataclasses.Field[Any], hint: Any) -> Schema:
    """Return what a key that is left out means, where that can be written as a value."""
    value = field.default
    if value is dataclasses.MISSING or (not value and value is not False):
        return {}
    if typing.get_origin(hint) is typing.Annotated:
        notation = _NOTATIONS.get(typing.get_args(hint)[1].parse)
        return {"default": notation.write(value)} if notation and notation.write else {}
    if isinstance(value, enum.Enum):
        return {"default": str(value.value)}
    return {"default": value} if isinstance(value, bool | str | int | float) else {}
