"""YAML to frozen types: what is read, and what a mistake is answered with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest

from testbed.errors import NOWHERE, InputError, Place, Problem
from testbed.units import parse_duration
from testbed.yaml import load


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Box:
    kind: Literal["box"]
    side: Annotated[int, load.Quantity(parse_duration, "a duration")]
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def problems(self) -> Iterable[Problem]:
        if self.side == 13:
            yield Problem(self.place.at("side"), "side is 13 ns", "write another")


@dataclass(frozen=True)
class Ball:
    kind: Literal["ball"]
    from_: str = field(default="here", metadata={"yaml_key": "from"})


@dataclass(frozen=True)
class Size:
    width: int
    height: int = 1


@dataclass(frozen=True)
class Toys:
    colour: Colour
    toys: Mapping[str, Box | Ball]
    pair: tuple[int, int] = (0, 0)
    words: tuple[str, ...] = ()
    on: bool = False
    share: float = 0.5
    size: int | Size = 1
    boxes: str | tuple[str, ...] = ""


def test_a_file_becomes_its_type() -> None:
    """Enums, unions, tuples, renamed keys, quantities and names of entries are read."""
    text = """
colour: blue
toys: {cube: {kind: box, side: 3 ms}, globe: {kind: ball, from: shop}}
pair: [1, 2]
words: [a, b]
on: on
share: 1
"""
    cube, globe = Box("box", 3_000_000, name="cube"), Ball("ball", "shop")

    assert Toys(Colour.BLUE, {"cube": cube, "globe": globe}, (1, 2), ("a", "b"), True, 1.0) == load.parse(
        text, Toys, "toys.yaml"
    )


@pytest.mark.parametrize(
    ("written", "size", "boxes"),
    [
        ("size: 3\nboxes: a", 3, "a"),
        ("size: {width: 2}\nboxes: [a, b]", Size(2), ("a", "b")),
    ],
)
def test_the_shape_tells_what_is_meant(written: str, size: int | Size, boxes: str | tuple[str, ...]) -> None:
    """Where a value may be written in two shapes, each is read as its own type."""
    read = load.parse(f"colour: red\ntoys: {{}}\n{written}", Toys, "toys.yaml")

    assert (size, boxes) == (read.size, read.boxes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "toys.yaml: the file is empty; write a toys"),
        ("[]", "toys.yaml:1: toys is not a mapping; write 'key: value' pairs"),
        ("colour: red", "toys.yaml:1: toys has no 'toys'; add 'toys: ...'"),
        ("colour: rad\ntoys: {}", "toys.yaml:1: unknown colour 'rad'; did you mean 'red'?"),
        ("colour: [red]\ntoys: {}", "toys.yaml:1: colour is a list; write one of red, blue"),
        ("colour: red\ntoys: {a: {side: 1 s}}", "toys.yaml:2: toys 'a' has no 'kind'; add kind: box | ball"),
        ("colour: red\ntoys: {}\npair: [1]", "toys.yaml:3: pair has 1 items; write 2"),
        (
            "colour: red\ntoys: {}\npair: 1",
            "toys.yaml:3: pair is not a list; write a list: [a, b] or one '- item' a line",
        ),
        ("colour: red\ntoys: {}\npair: [1, x]", "toys.yaml:3: pair is 'x'; write a whole number"),
        ("colour: red\ntoys: {}\npair: [1, 2.5]", "toys.yaml:3: pair is '2.5'; write a whole number"),
        (
            "colour: red\ntoys: {}\nsize: [1]",
            "toys.yaml:3: size is a list; write a single value or a mapping",
        ),
        ("colour: red\ntoys: {}\nsize: {width: x}", "toys.yaml:3: width is 'x'; write a whole number"),
        ("colour: red\ntoys: {}\non: maybe", "toys.yaml:3: on is 'maybe'; write on or off"),
        ("colour: red\ntoys: {b: {kind: box, side: 13 ns}}", "toys.yaml:2: side is 13 ns; write another"),
        (
            "colour: red\ntoys: {}\ncolor: red",
            "toys.yaml:3: unknown key 'color' in toys; did you mean 'colour'?",
        ),
        (
            "colour: red\n\ttoys: {}",
            "toys.yaml:2: not YAML: found character '\\t' that cannot start any token",
        ),
    ],
)
def test_a_mistake_is_answered_with_its_place(text: str, message: str) -> None:
    """Each mistake names file, line, what was found and what would be right."""
    with pytest.raises(InputError) as refusal:
        load.parse(text, Toys, "toys.yaml")

    assert message == str(refusal.value)


def test_a_file_that_cannot_be_read_is_an_input_error(tmp_path: Path) -> None:
    """A missing file and one that is not text are the user's to mend."""
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")

    for name, found in (
        ("missing.yaml", "cannot be read (No such file or directory)"),
        ("binary.yaml", "not UTF-8"),
    ):
        with pytest.raises(InputError, match=found.replace("(", r"\(").replace(")", r"\)")):
            load.read(tmp_path / name, Toys)
