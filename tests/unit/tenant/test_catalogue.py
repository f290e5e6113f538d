"""Catalogues are read from YAML and give objects with request weights."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.model.catalogue import Catalogue, CatalogueObject
from testbed.yaml import load

ROOT = Path(__file__).parents[3]
CATALOGUES = sorted((ROOT / "scenarios/catalogues").glob("*.yaml"))
GOOD = """\
source: an example
classes:
  pages: {count: 2, size: 4 kB, requests: 100 %, zipf: 1.0, content_type: text/html, suffix: .html}
"""


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_every_catalogue_of_the_repository_is_good(path: Path) -> None:
    """Each catalogue loads, has distinct names, and its weights add up to 1."""
    objects = load.read(path, Catalogue).objects()

    assert len(objects) == len({o.name for o in objects})
    assert 1 == pytest.approx(sum(o.weight for o in objects))


def test_the_manuals_example_is_good() -> None:
    """The catalogue in the manual can be copied as it is."""
    manual = (ROOT / "docs/tenant.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^    source:.*?(?=\n\n)", manual, re.DOTALL | re.MULTILINE)

    assert 63 == len(load.parse(textwrap.dedent(example), Catalogue, "tenant.md").objects())


def test_the_school_day_can_be_seeded_in_seconds() -> None:
    """The content of the school day stays near 50 MB, which a tenant stores while the lab comes up."""
    objects = load.read(ROOT / "scenarios/catalogues/school-day.yaml", Catalogue).objects()

    assert 48_240_000 == sum(o.size for o in objects)


def test_rank_decides_the_weight() -> None:
    """With a Zipf exponent of 1 the second object draws half as many requests as the first."""
    first, second = load.parse(GOOD, Catalogue, "c.yaml").objects()

    assert CatalogueObject("pages/0000.html", 4000, pytest.approx(2 / 3), "text/html") == first
    assert CatalogueObject("pages/0001.html", 4000, pytest.approx(1 / 3), "text/html") == second


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("100 %", "90 %", "c.yaml:2: the classes draw 90 % of the requests; make it 100 %"),
        (
            "100 %",
            "1",
            "c.yaml:3: requests is '1'; write a share: a number and one of the units %, such as '60 %'",
        ),
        ("4 kB", "4000", "c.yaml:3: size is '4000'; write a size: a number and one of the units"),
        ("count: 2", "count: 0", "c.yaml:3: count is 0; write 1 to 10000"),
        ("zipf: 1.0", "zipf: 9.0", "c.yaml:3: zipf is 9; write 0 (all alike) to 3"),
        ("zipf: 1.0", "zip: 1.0", "c.yaml:3: unknown key 'zip' in classes 'pages'; did you mean 'zipf'?"),
        (".html", "html", "c.yaml:3: suffix is 'html'; write one such as .json"),
        ("pages", "Pages", "c.yaml:3: class name 'Pages'; use a-z, 0-9 and -, a letter first"),
        ("source: an example\n", "", "c.yaml:1: catalogue has no 'source'; add 'source: ...'"),
    ],
)
def test_a_bad_catalogue_is_refused(old: str, new: str, message: str) -> None:
    """A mistake is named with its line, what was found and what would be right."""
    with pytest.raises(InputError) as refused:
        load.parse(GOOD.replace(old, new), Catalogue, "c.yaml")

    assert message in str(refused.value)
