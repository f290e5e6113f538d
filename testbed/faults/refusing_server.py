"""An HTTPS server that refuses every request.

``python -m testbed.faults.refusing_server PORT CERTIFICATE KEY STATUS AGAIN_S``. It answers as
Azure Storage does: 403 with the error code AuthenticationFailed, as to a SAS token that has expired, 429
TooManyRequests or 503 ServerBusy. AGAIN_S is the Retry-After, in seconds; 0: none.
"""

from __future__ import annotations

import socket
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = {
    403: ("AuthenticationFailed", "Server failed to authenticate the request."),
    429: ("TooManyRequests", "The request is being throttled."),
    503: ("ServerBusy", "The server is busy."),
}
"""The error code and the message to each status (Azure Storage, "Status and error codes")."""


class Refusing(BaseHTTPRequestHandler):
    """Answers every method alike."""

    server: Server

    protocol_version = "HTTP/1.1"
    timeout = 10.0  # a client that says nothing does not keep its thread

    def __getattr__(self, name: str) -> object:
        if name.startswith("do_"):
            return self.refuse
        raise AttributeError(name)

    def refuse(self) -> None:
        """Read what was sent, and refuse it."""
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0 and (piece := self.rfile.read(min(left, 2**16))):
            left -= len(piece)
        code, message = WORDS[self.server.status]
        body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        self.send_response(self.server.status, message)
        self.send_header("x-ms-error-code", code)
        if self.server.again_s:
            self.send_header("Retry-After", str(self.server.again_s))
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Log the method and the status alone: a URL holds the hub's credential."""


class Server(ThreadingHTTPServer):
    """Does the handshake of TLS in the connection's own thread, so that a silent client delays nobody."""

    daemon_threads = True
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    request_queue_size = 128

    def __init__(self, port: int, certificate: str, key: str, status: int, again_s: int) -> None:
        self.status, self.again_s = status, again_s
        super().__init__(("", port), Refusing, bind_and_activate=False)
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.server_bind()
        self.server_activate()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate, key)

    def get_request(self) -> tuple[ssl.SSLSocket, object]:
        connection, address = super().get_request()
        connection.settimeout(Refusing.timeout)
        secured = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return secured, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away, or speaks no TLS, is no fault of this server."""


def main() -> None:
    """Serve until killed."""
    port, certificate, key, status, again_s = sys.argv[1:]
    with Server(int(port), certificate, key, int(status), int(again_s)) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
