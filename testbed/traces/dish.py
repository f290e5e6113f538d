"""What a Starlink dish says of itself, asked by gRPC twice a second: a line a reply, as `dish-status` reads it.

python -m testbed.traces.dish HOST:PORT

The dish tells its protocol by reflection, so that a new firmware needs no new program. Where it does not answer
it is asked again; standard error says when that begins and ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import grpc
import starlink_grpc
from google.protobuf.json_format import MessageToDict

_EVERY_S = 0.5
_FAILURES = (grpc.RpcError, starlink_grpc.GrpcError, AttributeError, ValueError)
"""What the library raises where no dish answers, or something else does."""
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")


def main(address: str) -> None:
    """Print a line for each reply of the dish at ``address`` until killed."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # its recorder is gone: so is this
    for name in _PROXIES:
        os.environ.pop(name, None)
    context = starlink_grpc.ChannelContext(target=address)
    for line in replies(lambda: starlink_grpc.get_status(context), address, time.time_ns):
        print(line, flush=True)


def replies(
    ask: Callable[[], Any],
    address: str,
    clock: Callable[[], int],
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Yield the dish's status as lines, with the times of asking and of its reply by ``clock`` (UTC ns)."""
    answers: bool | None = None
    while True:
        asked_ns = clock()
        try:
            status = MessageToDict(ask())
        except _FAILURES as error:
            if answers is not False:
                _say(f"the dish at {address} does not answer ({_reason(error)}); it is asked again")
            answers = False
        else:
            if answers is False:
                _say(f"the dish at {address} answers")
            answers = True
            data = json.dumps({"dishGetStatus": status}, separators=(",", ":"))
            yield f"req: {_iso(asked_ns)} | res: {_iso(clock())} | data: {data}"
        wait(_EVERY_S)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _reason(error: Exception) -> str:
    told = error.details() if isinstance(error, grpc.Call) else str(error)
    return (told or type(error).__name__).splitlines()[0][:100]


def _iso(utc_ns: int) -> str:
    return datetime.fromtimestamp(utc_ns // 1000 / 10**6, UTC).isoformat(timespec="microseconds")


if __name__ == "__main__":
    main(sys.argv[1])
