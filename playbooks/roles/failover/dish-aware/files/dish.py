#!/usr/bin/env python3
"""Asks the dish of an uplink how it is, and tells keepalived.

    dish SETTINGS.json

Its state is in /run/hub/told-UPLINK: 1 while the dish says that it has no sky, 0 while it has, or says nothing. What
it says is logged with its time in /var/log/hub/dish.jsonl when it changes. The dish is asked by gRPC
(SpaceX.API.Device.Device/Handle, get_status) through the uplink's own port, whichever uplink carries. It needs nothing
but Python's library: a request is two frames of HTTP/2, and the answer's numbers are read where they lie.
"""

import json
import socket
import struct
import sys
import threading
import time
from pathlib import Path

LOG = Path("/var/log/hub/dish.jsonl")
STATE = Path("/run/hub")
DATA, HEADERS, RESET, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS, PADDED = 1, 4, 8
GET_STATUS, DISH_GET_STATUS = 1004, 2004  # fields of Request and Response
POP_PING_DROP_RATE, OUTAGE = 1003, 1014  # of its status
CAUSES = ("UNKNOWN", "BOOTING", "STOWED", "THERMAL_SHUTDOWN", "NO_SCHEDULE", "NO_SATS", "OBSTRUCTED")
CAUSES += ("NO_DOWNLINK", "NO_PINGS")


def varint(number):
    """Return a number as protobuf writes it."""
    written = b""
    while number > 0x7F:
        written += bytes([number & 0x7F | 0x80])
        number >>= 7
    return written + bytes([number])


def fields(message):
    """Return the last value of each field of a message: a number, or bytes."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = number()
        kind = key & 7
        if kind == 0:
            found[key >> 3] = number()
            continue
        length = {1: 8, 5: 4}.get(kind) or number()
        found[key >> 3] = message[at : at + length]
        at += length
    return found


def frame(kind, flags, stream, payload=b""):
    """Return a frame of HTTP/2 (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """Return a header field that nobody is to remember (RFC 7541, 6.2.2); a number is a name of the static table."""
    index = b"\x00" + bytes([len(name)]) + name if isinstance(name, bytes) else bytes([name])
    if isinstance(name, int) and name >= 15:
        index = bytes([15, name - 15])
    return index + bytes([len(value)]) + value


def request(address):
    """Return the bytes that ask for the status."""
    post_http = b"\x83\x86"  # :method POST, :scheme http
    path, authority, content_type = 4, 1, 31
    headers = post_http + literal(path, b"/SpaceX.API.Device.Device/Handle") + literal(authority, address.encode())
    headers += literal(content_type, b"application/grpc") + literal(b"te", b"trailers")
    asked = varint(GET_STATUS << 3 | 2) + b"\x00"
    body = b"\x00" + struct.pack(">I", len(asked)) + asked
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
    return preface + frame(HEADERS, END_HEADERS, 1, headers) + frame(DATA, END_STREAM, 1, body)


def exactly(connection, length, until_s):
    """Read so many bytes. Raises OSError where they do not come in time."""
    data = b""
    while len(data) < length:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        part = connection.recv(length - len(data))
        if not part:
            raise ConnectionError("the dish hung up")
        data += part
    return data


def answer(connection, until_s):
    """Return the body of the answer to the one request. Raises OSError."""
    body = b""
    while True:
        head = exactly(connection, 9, until_s)
        length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        payload = exactly(connection, length, until_s)
        if kind == DATA:
            body += payload[1 : length - payload[0]] if flags & PADDED else payload
        if kind in (RESET, GOAWAY):
            raise ConnectionError("the dish broke off")
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            return body


def ask(port, address, timeout_s):
    """Return the dish's status: (the cause of an outage or None, the share of its pings lost). Raises OSError."""
    host, _, service = address.rpartition(":")
    until_s = time.monotonic() + timeout_s
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, port.encode())
        connection.settimeout(timeout_s)
        connection.connect((host, int(service)))
        connection.sendall(request(address))
        body = answer(connection, until_s)
    try:
        status = fields(fields(body[5:])[DISH_GET_STATUS])
        drop = struct.unpack("<f", status.get(POP_PING_DROP_RATE, bytes(4)))[0]
        if OUTAGE not in status:
            return None, drop
        cause = fields(status[OUTAGE]).get(1, 0)
        return (CAUSES[cause] if cause < len(CAUSES) else str(cause)), drop
    except (KeyError, IndexError, TypeError, struct.error) as error:
        raise ConnectionError("no status in the answer") from error


class Belief:
    """Whether the dish has no sky, as it says so often enough; one that is silent is not believed any longer."""

    def __init__(self, fall, rise):
        self.down = False
        self._fall, self._rise = fall, rise
        self._says, self._streak = None, 0

    def observe(self, bad):
        """Take an answer in, or None; return whether the uplink is to be left."""
        self._streak = self._streak + 1 if bad == self._says else 1
        self._says = bad
        if bad and self._streak >= self._fall:
            self.down = True
        elif bad is False and self._streak >= self._rise or bad is None and self._streak >= self._fall:
            self.down = False
        return self.down


def say(**event):
    """Write a line to the log."""
    with LOG.open("a") as log:
        log.write(json.dumps({"at_ns": time.time_ns(), **event}) + "\n")


def tell(uplink, down):
    """Tell keepalived, which watches the file."""
    (STATE / f"told-{uplink}").write_text(f"{int(down)}\n")


def watch(uplink, port, settings):
    """Ask the dish of an uplink for ever."""
    belief = Belief(settings["fall"], settings["rise"])
    interval_s, due_s = settings["interval_s"], time.monotonic()
    before = None
    tell(uplink, False)
    while True:
        try:
            cause, drop = ask(port, settings["address"], interval_s)
            bad = cause is not None or drop >= settings["drop"]
            said = cause or ("loses pings" if bad else "connected")
        except OSError as error:
            bad, said = None, "silent"
            if before != (False, said):
                say(uplink=uplink, error=str(error) or type(error).__name__)
        was = belief.down
        down = belief.observe(bad)
        if down != was:
            tell(uplink, down)
        if (down, said) != before:
            say(uplink=uplink, dish=said, down=down)
        before = (down, said)
        due_s = max(due_s + interval_s, time.monotonic())
        time.sleep(max(0.0, due_s - time.monotonic()))


def main(settings):
    """Watch each uplink that has a dish."""
    watchers = [
        threading.Thread(target=watch, args=(uplink, port, settings)) for uplink, port in settings["ports"].items()
    ]
    for watcher in watchers:
        watcher.start()
    for watcher in watchers:
        watcher.join()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
