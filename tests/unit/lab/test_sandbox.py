"""What a sandbox asks of the process that makes it."""

from __future__ import annotations

import pytest

from testbed.lab.sandbox import missing_capabilities


@pytest.mark.parametrize(
    ("effective", "missing"),
    [
        ("000001ffffffffff", []),
        ("000001ffffdfffff", ["SYS_ADMIN"]),
        ("00000000a80425fb", ["NET_ADMIN", "SYS_ADMIN"]),  # root in a container, as Docker starts it
        ("0000000000000000", ["NET_ADMIN", "NET_RAW", "SYS_ADMIN"]),
    ],
)
def test_capabilities_that_a_container_lacks_are_named(effective: str, missing: list[str]) -> None:
    """Before anything starts: by name, so that they can be given."""
    assert missing == missing_capabilities(f"Name:\tpython\nCapPrm:\t0\nCapEff:\t{effective}\nCapBnd:\t0\n")
