"""A managed identity's endpoint, as azure-identity asks one: gives out bearer tokens that Azurite takes.

python tests/system/tenant/token_server.py PORT FILE     prints "ready", then serves until killed

FILE says for how many seconds from now its next token is good.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt

LASTING = Path(sys.argv[2])


class Endpoint(BaseHTTPRequestHandler):
    """GET /token?resource=..., and the metadata service of a machine."""

    def do_GET(self) -> None:
        now_s = int(time.time())
        until_s = now_s + int(LASTING.read_text())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000001/",
            "oid": "00000000-0000-0000-0000-000000000002",
            "tid": "00000000-0000-0000-0000-000000000001",
            "nbf": now_s - 600,
            "iat": now_s - 600,
            "exp": until_s,
        }
        token = jwt.encode(claims, "nobody checks this signature, ever", algorithm="HS256")
        told = {
            "access_token": token,
            "expires_on": str(until_s),
            "resource": "https://storage.azure.com",
            "token_type": "Bearer",
        }
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    own = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Endpoint)
    of_the_machine = ThreadingHTTPServer(("169.254.169.254", 80), Endpoint)
    threading.Thread(target=of_the_machine.serve_forever, daemon=True).start()
    print("ready", flush=True)
    own.serve_forever()
