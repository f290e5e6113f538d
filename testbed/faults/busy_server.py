"""An HTTPS server that is too busy for every request: ``python -m testbed.faults.busy_server PORT CERTIFICATE KEY``.

It answers as Azure Storage does: 503 with the error code ServerBusy.
"""

from __future__ import annotations

import socket
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = (
    b'<?xml version="1.0" encoding="utf-8"?><Error><Code>ServerBusy</Code>'
    b"<Message>The server is busy.</Message></Error>"
)


class Busy(BaseHTTPRequestHandler):
    """Answers every method alike."""

    protocol_version = "HTTP/1.1"
    timeout = 10.0  # a client that says nothing does not keep its thread

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self.refuse
        raise AttributeError(name)

    def refuse(self) -> None:
        """Read what was sent, and be too busy for it."""
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0 and (piece := self.rfile.read(min(left, 2**16))):
            left -= len(piece)
        self.send_response(503, "The server is busy.")
        self.send_header("x-ms-error-code", "ServerBusy")
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(BODY)

    def log_message(self, format: str, *arguments: object) -> None:
        """Log the method and the status alone: a URL holds the hub's credential."""


class Server(ThreadingHTTPServer):
    """Does the handshake of TLS in the connection's own thread, so that a silent client delays nobody."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    request_queue_size = 128

    def __init__(self, port: int, certificate: str, key: str) -> None:
        super().__init__(("", port), Busy, bind_and_activate=False)
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.server_bind()
        self.server_activate()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)

    def get_request(self) -> tuple[ssl.SSLSocket, object]:
        connection, address = super().get_request()
        connection.settimeout(Busy.timeout)
        secured = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return secured, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or speaks no TLS, is no fault of this server."""


def main() -> None:
    """Serve until killed."""
    port, certificate, key = sys.argv[1:]
    with Server(int(port), certificate, key) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
