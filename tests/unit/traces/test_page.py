"""The page on formats is what the importers say of themselves."""

import pytest

from testbed.traces import formats
from testbed.traces.formats import page


def test_the_page_on_formats_is_up_to_date():
    """What docs/formats.md says is what the importers say now; `testbed trace formats --write` makes it so."""
    assert page.text() == page.FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", formats.FORMATS)
def test_a_format_stands_under_its_name(name):
    """What the user gives to --format is what the importer is called."""
    assert name == formats.FORMATS[name].name
