"""Whoever asked for NICs notices that their lender has ended."""

from __future__ import annotations

import socket
from pathlib import Path

from testbed.lab.lender import Lender
from testbed.model.ends import EVERYTHING, End
from testbed.run.roll import Roll


def test_the_lender_s_end_is_told_once_with_its_last_words(tmp_path: Path) -> None:
    """While it lives nothing is told; nobody inside a sandbox can know how it ended."""
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    log = tmp_path / "lender.log"
    lender = Lender(ours.detach(), log)
    roll = Roll(lambda: [lender.part()], 0)
    living = roll.call(1)
    log.write_text("out of memory\n")
    theirs.close()

    assert () == living
    assert (End("the lender of NICs", EVERYTHING, 2, "nobody knows how", "out of memory"),) == roll.call(2)
    assert () == roll.call(3)
    lender.close()
