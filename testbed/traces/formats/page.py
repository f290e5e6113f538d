"""docs/formats.md, made of what the importers say of themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from testbed import paths
from testbed.traces import formats
from testbed.traces.formats import base

FILE = paths.ROOT / "docs" / "formats.md"
_TOP = """# Formats of recordings

Made from the importers by `testbed trace formats --write`.

`testbed trace import FILE` recognises a format by the file's content and prints which it took and by what;
`--format NAME` names it where the content leaves a doubt. Every text may be gzipped. A file that an importer cannot
read as a whole is refused with the place, what stands there and what would be right; what was left out or taken for
granted is in the trace's notes (`testbed trace info`), what it cannot tell is found by `testbed trace lint`."""


def text() -> str:
    """Return the page."""
    index = [f"[{name}](#{name})" for name in formats.FORMATS]
    parts = ["\n".join([_TOP, "", ", ".join(index)])]
    parts += ["\n".join(_section(format)) for format in formats.FORMATS.values()]
    return "\n\n".join(parts) + "\n"


def _section(format: base.Format) -> Iterator[str]:
    yield f"## {format.name}"
    yield ""
    yield f"Reads {format.reads}."
    yield ""
    yield f"- Written by: {format.tool}"
    yield f"- Recognised by: {format.sign}"
    yield f"- Record it best: {format.record}"
    yield f"- Cannot tell: {format.cannot_tell}"
    for paragraph in _traps(format):
        yield ""
        yield paragraph


def _traps(format: base.Format) -> list[str]:
    """Return what the importer's module says of the format behind its first line: columns stay in columns."""
    said = (inspect.getmodule(format.read).__doc__ or "").strip().split("\n\n")[1:]
    return [f"```\n{part}\n```" if re.search(r"\S  +\S", part) else part for part in said]
