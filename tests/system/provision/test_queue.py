"""What the role queue makes of uploads: acknowledged on the hub's disk, and with the tenant when it can be had."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.provision.conftest import Lab
from tests.system.provision.test_cache import put, until

MB = 10**6


@pytest.fixture(scope="module")
def queue(lab: Lab, blobs: Path) -> Lab:
    """The lab with a hub that keeps 5 MB of uploads."""
    lab.provision(hub_queue=True, queue_size=5 * MB)
    return lab


@contextmanager
def dark(lab: Lab) -> Iterator[None]:
    """No uplink carries while the block lasts."""
    for cpe in ("dish", "modem"):
        lab.cut(cpe)
    try:
        yield
    finally:
        for cpe in ("dish", "modem"):
            lab.heal(cpe)


def stored(lab: Lab, name: str) -> bytes | None:
    path = lab.folder / "blobs/uploads" / name
    return path.read_bytes() if path.exists() else None


def arrives(lab: Lab, name: str, body: bytes) -> bool:
    """Whether the tenant has it at last; the queue's longest pause is eight seconds."""
    return any(until(lambda: body == stored(lab, name)) for _ in range(6))


def test_what_was_acknowledged_in_the_dark_arrives(queue: Lab) -> None:
    """At once on the hub, byte for byte at the tenant when an uplink carries again; the newest of a name stays."""
    with dark(queue):
        uploads = (("a", b"1"), ("b", b"2"), ("a", b"3"))
        assert [202, 202, 202] == [put(queue, f"uploads/{name}", body) for name, body in uploads]
        assert (None, None) == (stored(queue, "a"), stored(queue, "b"))

    assert arrives(queue, "b", b"2") and arrives(queue, "a", b"3")


def test_a_full_queue_acknowledges_nothing(queue: Lab) -> None:
    """Who is told so tries again; what was taken before arrives."""
    with dark(queue):
        assert [202, 507] == [put(queue, f"uploads/full{n}", bytes([n]) * (3 * MB)) for n in (1, 2)]

    assert arrives(queue, "full1", bytes([1]) * (3 * MB))


def test_what_the_tenant_alone_can_decide_is_asked_of_it(queue: Lab) -> None:
    """Conditions and parts of uploads are not acknowledged for it."""
    with dark(queue):
        assert 504 == put(queue, "uploads/c", b"1", "If-None-Match: *")
        assert 504 == put(queue, "uploads/c?comp=block&blockid=QUFB", b"1")


def test_a_body_that_was_changed_on_the_way_is_refused(queue: Lab) -> None:
    """By the MD5 that the client sends, as the tenant would; the right one is acknowledged."""
    said = base64.b64encode(hashlib.md5(b"right", usedforsecurity=False).digest()).decode()

    assert [400, 202] == [put(queue, "uploads/d", body, f"Content-MD5: {said}") for body in (b"wrong", b"right")]
    assert arrives(queue, "d", b"right")
