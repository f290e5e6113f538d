"""What the HTTP client says an answer is."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from testbed.model.catalogue import CatalogueObject
from testbed.model.traffic import HttpGet
from testbed.probes.demand import draw, seek
from testbed.probes.http_client import version_of
from testbed.probes.workload import _plan
from testbed.tenant.content import content, manifest

OBJECTS = (CatalogueObject("films/a", 9000, 0.5, "video/mp4"), CatalogueObject("pages/a", 400, 0.5, "text/html"))
OLD, NEW = (content(7, "films/a", 9000, version) for version in (0, 1))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


ASKED = {"first": 10, "last": 59, "size": 9000} | {
    "sha256": [sha(OLD[10:60]), sha(NEW[10:60])],
    "whole_sha256": [sha(OLD), sha(NEW)],
}
SAID = "bytes 10-59/9000"


@pytest.mark.parametrize(
    ("status", "body", "content_range", "version"),
    [
        (206, OLD[10:60], SAID, 0),
        (206, NEW[10:60], SAID, 1),
        (206, OLD[10:40] + NEW[40:60], SAID, -1),
        (206, OLD[11:61], SAID, -1),
        (206, OLD[10:60], "bytes 11-60/9000", -1),
        (206, OLD[10:60], None, -1),
        (200, NEW, None, 1),
        (200, OLD[:4000] + NEW[4000:], None, -1),
        (200, OLD[10:60], None, -1),
        (304, b"", None, 1),
        (503, b"busy", None, None),
    ],
)
def test_an_answer_is_of_one_version_or_of_none(
    status: int, body: bytes, content_range: str | None, version: int | None
) -> None:
    """The right part or the whole, of one version, with the right Content-Range."""
    row = {"status": status, "content_range": content_range}

    assert version == version_of(ASKED, row, sha(body), ('"etag"', 1))


def test_not_modified_is_no_answer_to_who_has_nothing() -> None:
    """A 304 that nobody asked for, and a part in place of the whole, are wrong."""
    assert -1 == version_of(ASKED, {"status": 304}, sha(b""), None)
    whole = ASKED | {"first": None}
    assert -1 == version_of(whole, {"status": 206, "content_range": SAID}, sha(OLD[10:60]), None)


def test_the_plan_knows_every_version_of_what_is_asked_for() -> None:
    """Objects and times are those of a plan without ranges; short objects are asked for whole."""
    site: Any = type("Site", (), {"seed": 7, "stored": manifest(7, OBJECTS), "versions": 2})
    traffic = HttpGet(
        kind="http-get", from_="client", catalogue="c", rate=20.0, range=50, conditional=0.5, name="films"
    )
    requests = draw("7/films", 20, 10**10, OBJECTS)
    plan = _plan(requests, traffic, site)

    assert [(r.at_ns, r.object) for r in requests] == [(p["t_ns"], p["object"]) for p in plan]
    for asked in plan:
        data = [content(7, asked["object"], asked["size"], version) for version in (0, 1)]
        part = slice(None) if asked["first"] is None else slice(asked["first"], asked["last"] + 1)
        assert [sha(d[part]) for d in data] == asked["sha256"]
        assert [sha(d) for d in data] == asked["whole_sha256"]
    assert {50} == {asked["last"] - asked["first"] + 1 for asked in plan}


def test_ranges_lie_anywhere_and_conditions_are_a_share() -> None:
    """Every byte of a film can be the first; nothing lies outside; half of the requests are conditional."""
    asked = list(seek("7/films", [100] * 4000 + [50] * 4, 60, 0.5))

    assert set(range(41)) == {a.first for a in asked[:4000]}
    assert {59} == {a.last - a.first for a in asked[:4000] if a.first is not None and a.last is not None}
    assert {None} == {a.first for a in asked[4000:]}
    assert 0.45 < sum(a.conditional for a in asked) / len(asked) < 0.55
