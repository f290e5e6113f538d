"""The word of a service that too much is asked of it, and how long to wait then; no SDK needed to understand it."""

from __future__ import annotations

from collections.abc import Mapping

BUSY = (429, 503)
CODE = "x-ms-error-code"
"""The header with which Azure Storage says what is wrong: a 503 without it is somebody else's."""


def is_busy(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether an answer is the service's own word, passed on or not, that it throttles."""
    return status in BUSY and CODE in headers


def wait_s(headers: Mapping[str, str], otherwise_s: float) -> float:
    """Return the seconds of ``Retry-After``; Azure Storage writes no dates there."""
    said = headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else otherwise_s
