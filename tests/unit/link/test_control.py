"""What a connection to a link engine makes of an engine that is not its own."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from testbed.errors import RunError
from testbed.link.control import Control


def test_an_engine_of_another_version_is_told(tmp_path: Path):
    """Its counters lie elsewhere in memory: nothing is read from them."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(tmp_path / "linkd.sock"))
    listener.listen(1)

    def answer() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(512)
            memory = os.memfd_create("statistics")
            os.write(memory, b"tbstat1\0" + bytes(1000))
            socket.send_fds(client, [b"ok"], [memory])
            os.close(memory)

    engine = threading.Thread(target=answer)
    engine.start()
    with pytest.raises(RunError, match=r"counts as another version does \(b'tbstat1'\); run 'make build'"):
        Control(tmp_path)
    engine.join()
    listener.close()
