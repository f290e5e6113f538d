#!/usr/bin/env python3
"""Keeps what LAN clients upload until the tenant has it: store and forward, on the hub's disk.

    queue SETTINGS.json

It takes PUTs on a UNIX socket (nginx in front of it says which) and acknowledges one with 202 when it is on the disk,
not when it is with the tenant. What is kept goes to the tenant through another socket (nginx again, which has the token
and speaks TLS), the oldest first, several at once, of one name one after the other. What was acknowledged goes in two
ways, each a line of the log: the tenant has it, or it is older than ``ttl_s``, by the hub's clock. What the tenant
refuses for good (4xx) waits aside until then. A full disk (``size`` bytes) is told to the client with 507: who is not
acknowledged tries again.
"""

import base64
import hashlib
import http.client
import json
import os
import socket
import socketserver
import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

AT_ONCE = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
KEPT_HEADERS = ("content-type", "content-encoding", "content-language", "content-md5", "cache-control", "x-ms-version")
FOR_GOOD = frozenset({400, 404, 405, 409, 411, 412, 413, 414, 415})
"""What the same request would be answered by again; 401 and 403 are the hub's token's, which is renewed."""


class Store:
    """The uploads on the disk, oldest first. One connection under one lock: a commit is an fsync, few a second."""

    def __init__(self, path, size):
        self._size = size
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS uploads (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, "
            "since REAL NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, refused INTEGER NOT NULL DEFAULT 0)"
        )
        self.changed = threading.Event()

    def keep(self, name, headers, body):
        """Put an upload on the disk; return whether there was room."""
        with self._lock:
            (kept,) = self._db.execute("SELECT coalesce(sum(length(body)), 0) FROM uploads").fetchone()
            if kept + len(body) > self._size:
                return False
            self._db.execute(
                "INSERT INTO uploads (name, since, headers, body) VALUES (?, ?, ?, ?)",
                (name, time.time(), json.dumps(headers), body),
            )
        self.changed.set()
        return True

    def oldest(self, most):
        """Return id, name, headers and body of the next to go, as many at most; of each name the first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT id, name, headers, body FROM uploads WHERE id IN "
                "(SELECT min(id) FROM uploads WHERE NOT refused GROUP BY name ORDER BY 1 LIMIT ?) ORDER BY id",
                (most,),
            ).fetchall()
        return [(number, name, json.loads(headers), body) for number, name, headers, body in rows]

    def gone(self, number):
        """Forget one that the tenant has."""
        with self._lock:
            self._db.execute("DELETE FROM uploads WHERE id = ?", (number,))

    def put_aside(self, number):
        """Let the others pass one that the tenant refuses for good."""
        with self._lock:
            self._db.execute("UPDATE uploads SET refused = 1 WHERE id = ?", (number,))

    def expire(self, before):
        """Forget what has waited since before that time; return the names."""
        with self._lock:
            names = [name for (name,) in self._db.execute("SELECT name FROM uploads WHERE since < ?", (before,))]
            if names:
                self._db.execute("DELETE FROM uploads WHERE since < ?", (before,))
        return names

    def waiting(self):
        """Return how many wait."""
        with self._lock:
            return self._db.execute("SELECT count(*) FROM uploads").fetchone()[0]


class Door(socketserver.ThreadingUnixStreamServer):
    """Takes uploads for a store."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path, store):
        self.store = store
        super().__init__(path, Upload)
        os.chmod(path, 0o666)


class Upload(BaseHTTPRequestHandler):
    """One upload."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        """Keep it, and say so; or say why not."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = self.headers["Content-MD5"]
        if said and said != base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode():
            status = 400
        else:
            headers = {key: self.headers[key] for key in KEPT_HEADERS if key in self.headers}
            status = 202 if self.server.store.keep(self.path, headers, body) else 507
        log(event="kept" if status == 202 else "refused", name=self.path, bytes=len(body), status=status)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def address_string(self):
        """Of a UNIX socket there is none."""
        return "LAN"

    def log_message(self, *_):
        """The log has a line for each upload already."""


class ToTenant(http.client.HTTPConnection):
    """A connection to the server in front of the tenant."""

    def __init__(self, path, timeout_s):
        super().__init__("hub", timeout=timeout_s)
        self._path = path

    def connect(self):
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def forward(path, timeout_s, name, headers, body):
    """Return the tenant's status for one upload; 0: there was no answer."""
    connection = ToTenant(path, timeout_s)
    try:
        connection.request("PUT", name, body, headers | {"x-ms-blob-type": "BlockBlob"})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def drain(store, settings):
    """Send what waits, for ever."""
    pause_s = FIRST_PAUSE_S

    def send(upload):
        number, name, headers, body = upload
        status = forward(settings["tenant"], settings["timeout_s"], name, headers, body)
        if 200 <= status < 300:
            store.gone(number)
            event = "forwarded"
        elif status in FOR_GOOD:
            store.put_aside(number)
            event = "put aside"
        else:
            event = "not forwarded"
        log(event=event, name=name, status=status, waiting=store.waiting())
        return event != "not forwarded"

    with ThreadPoolExecutor(AT_ONCE) as senders:
        while True:
            for name in store.expire(time.time() - settings["ttl_s"]):
                log(event="expired", name=name)
            store.changed.clear()
            if not (uploads := store.oldest(AT_ONCE)):
                store.changed.wait(LONGEST_PAUSE_S)
            elif all(list(senders.map(send, uploads))):
                pause_s = FIRST_PAUSE_S
            else:
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def log(**said):
    """Write a line of JSON."""
    print(json.dumps({"at": round(time.time(), 3), **said}), flush=True)


def main():
    """Take and forward until the end."""
    with open(sys.argv[1], encoding="utf-8") as file:
        settings = json.load(file)
    store = Store(settings["store"], settings["size"])
    if os.path.exists(settings["door"]):
        os.unlink(settings["door"])
    door = Door(settings["door"], store)
    threading.Thread(target=drain, args=(store, settings), daemon=True).start()
    door.serve_forever()


if __name__ == "__main__":
    main()
