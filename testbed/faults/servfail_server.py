"""A resolver that fails every query: ``python -m testbed.faults.servfail_server PORT``."""

from __future__ import annotations

import socket
import sys

HEADER_BYTES = 12
SERVFAIL = 2


def failure(query: bytes) -> bytes:
    """Return the answer to a DNS query (RFC 1035, 4.1): the same identity and question, SERVFAIL, no records.

    Records after the question (EDNS) are left away, and not counted.
    """
    end = HEADER_BYTES
    while end < len(query) and query[end]:
        end += query[end] + 1
    question = query[HEADER_BYTES : end + 5]  # the root's empty label, type and class
    flags = bytes((0x80 | query[2], 0x80 | SERVFAIL))  # a response; recursion is available
    return query[:2] + flags + query[4:6] + bytes(6) + question


def main() -> None:
    """Answer until killed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", int(sys.argv[1])))
        print("ready", flush=True)
        while True:
            query, client = server.recvfrom(4096)
            if len(query) > HEADER_BYTES:
                server.sendto(failure(query), client)


if __name__ == "__main__":
    main()
