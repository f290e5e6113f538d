"""Tokens for one container, signed with a user delegation key (Azure Storage: create a user delegation SAS).

Signed here, in the service's version of 2022-11-02: the SDK signs in its newest alone, which Azurite cannot read yet.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

VERSION = "2022-11-02"


def container_token(
    account: str, container: str, key: Any, permissions: str, starts: datetime, expires: datetime
) -> str:
    """Return the query of a SAS for a container, https only; ``key`` is the SDK's UserDelegationKey.

    ``permissions`` are letters in the service's order: r, a, c, w, d, l ...
    """
    begin, end = _utc(starts), _utc(expires)
    signed = {
        "skoid": key.signed_oid,
        "sktid": key.signed_tid,
        "skt": key.signed_start,
        "ske": key.signed_expiry,
        "sks": key.signed_service,
        "skv": key.signed_version,
    }
    nobody = ["", "", ""]  # authorised and unauthorised object id, correlation id
    any_address, snapshot, scope = "", "", ""
    lines = [permissions, begin, end, f"/blob/{account}/{container}", *signed.values(), *nobody, any_address]
    lines += ["https", VERSION, "c", snapshot, scope, *([""] * 5)]  # no response headers
    digest = hmac.new(base64.b64decode(key.value), "\n".join(lines).encode(), hashlib.sha256).digest()
    query = {"sp": permissions, "st": begin, "se": end, "spr": "https", "sv": VERSION, "sr": "c", **signed}
    return urlencode({**query, "sig": base64.b64encode(digest).decode()})


def _utc(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
