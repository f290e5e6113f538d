"""Content is a function of seed and name."""

from __future__ import annotations

import hashlib

from testbed.model.catalogue import CatalogueObject
from testbed.tenant.content import StoredObject, content, manifest


def test_content_is_the_same_on_every_machine() -> None:
    """The bytes for one seed and name never change, so that old results can be checked again."""
    assert "fb14e273d19696de" == hashlib.sha256(content(7, "lessons/0000.mp4", 1000)).hexdigest()[:16]


def test_content_differs_by_seed_and_by_name() -> None:
    """Another seed or another name gives other bytes of the same size."""
    blobs = {content(7, "a", 64), content(8, "a", 64), content(7, "b", 64)}

    assert 3 == len(blobs)
    assert {64} == {len(blob) for blob in blobs}


def test_manifest_describes_what_content_makes() -> None:
    """The manifest gives each object's size and SHA-256."""
    objects = [CatalogueObject("a", 10, 0.5, "text/plain"), CatalogueObject("b", 0, 0.5, "text/plain")]

    expected = {
        "a": StoredObject("a", 10, hashlib.sha256(content(7, "a", 10)).hexdigest()),
        "b": StoredObject("b", 0, hashlib.sha256(b"").hexdigest()),
    }
    assert expected == manifest(7, objects)
