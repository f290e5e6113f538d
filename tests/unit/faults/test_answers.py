"""What the stand-ins answer."""

from __future__ import annotations

import struct

from testbed.faults.servfail_server import failure

QUESTION = b"\x07account\x04blob\x00" + struct.pack(">HH", 1, 1)


def test_a_query_is_answered_by_its_own_identity_and_a_failure() -> None:
    """Identity, question and the wish for recursion come back; the code is SERVFAIL, and there are no records."""
    query = (
        struct.pack(">6H", 0x1234, 0x0100, 1, 0, 0, 1)
        + QUESTION
        + b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"
    )
    answer = failure(query)

    assert struct.pack(">6H", 0x1234, 0x8182, 1, 0, 0, 0) + QUESTION == answer


def test_a_query_that_ends_in_its_question_is_answered() -> None:
    """A name without its end asks for no memory that is not there."""
    query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + b"\x3fabc"

    assert struct.pack(">6H", 1, 0x8082, 1, 0, 0, 0) + b"\x3fabc" == failure(query)
