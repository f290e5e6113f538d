"""What a custodian does while nobody asks."""

from __future__ import annotations

import socket

from testbed.tenant.custodian import _lines


def test_what_is_due_is_done_while_nobody_asks() -> None:
    """The end of what was made is put off again and again; questions are heard all the same, until nobody can ask."""
    ours, theirs = socket.socketpair()
    done = list[str]()

    def renew() -> None:
        done.append("renewed")
        if len(done) == 2:
            theirs.sendall(b"one\ntwo\n")
            theirs.close()

    with ours:
        heard = [line for line, _ in _lines(ours, 0.0, renew)]

    assert ["one", "two"] == heard
    assert ["renewed"] * 2 == done
