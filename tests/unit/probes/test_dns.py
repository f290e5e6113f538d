"""DNS messages as the client writes and reads them (RFC 1035)."""

from __future__ import annotations

import pytest

from testbed.faults.servfail_server import failure
from testbed.probes.dns_client import addresses, question

QUERY = question(0x1234, "a.core.windows.net")
ANSWER = bytes.fromhex("123481800001000200000000") + QUERY[12:]
ALIAS = bytes.fromhex("c00c00050001000000000004 0161c00e".replace(" ", ""))
RECORD = bytes.fromhex("c00c00010001000000000004cb00710a")


def test_a_question_is_one_for_an_address():
    """Number, recursion wanted, one question of class IN and type A."""
    assert bytes.fromhex("1234 0100 0001 0000 0000 0000") == QUERY[:12]
    assert b"\x01a\x04core\x07windows\x03net\x00\x00\x01\x00\x01" == QUERY[12:]


def test_an_answer_with_an_alias_has_its_address():
    """Names that point to others, and records of other types, are passed over."""
    assert (0x1234, 0, ["203.0.113.10"]) == addresses(ANSWER + ALIAS + RECORD)


def test_a_failure_has_a_status_and_no_address():
    """What the stand-in for a failing resolver says."""
    assert (0x1234, 2, []) == addresses(failure(QUERY))


@pytest.mark.parametrize("length", [0, 5, 20, len(ANSWER) + 3, len(ANSWER + ALIAS) + 5])
def test_a_cut_answer_is_refused(length: int):
    """Never an exception of another kind, never half an address."""
    with pytest.raises(ValueError, match="no DNS answer"):
        addresses((ANSWER + ALIAS + RECORD)[:length])
