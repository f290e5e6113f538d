"""Tokens signed with a user delegation key, against the function by which Azurite checks them."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest

from testbed.tenant.azurite import azurite_folder, node_binary
from testbed.tenant.delegated import container_token

CHECKER = azurite_folder() / "node_modules/azurite/dist/src/blob/authentication/IBlobSASSignatureValues.js"
SIGN = """
const azurite = require(process.argv[1]), q = JSON.parse(process.argv[2]);
const values = {version: q.sv, protocol: q.spr, startTime: q.st, expiryTime: q.se, permissions: q.sp,
    containerName: "testbed-1-content", signedResource: q.sr, signedObjectId: q.skoid, signedTenantId: q.sktid,
    signedStartsOn: q.skt, signedExpiresOn: q.ske, signedService: q.sks, signedVersion: q.skv};
console.log(azurite.generateBlobSASSignatureWithUDK(values, "c", "mine1", Buffer.from("c2VjcmV0", "base64"))[0]);
"""


@pytest.mark.parametrize("permissions", ["r", "cw"])
def test_azurite_signs_the_same(permissions: str) -> None:
    """What it computes from a token's own fields is the signature in it."""
    if not CHECKER.is_file():
        pytest.skip(f"needs Azurite in {azurite_folder()} (make setup)")
    key = SimpleNamespace(
        signed_oid="an-object",
        signed_tid="a-directory",
        signed_start="2026-01-01T00:00:00Z",
        signed_expiry="2026-01-02T00:00:00Z",
        signed_service="b",
        signed_version="2025-01-05",
        value="c2VjcmV0",
    )
    begin, end = datetime(2026, 1, 1, 6, tzinfo=UTC), datetime(2026, 1, 1, 7, tzinfo=UTC)
    token = container_token("mine1", "testbed-1-content", key, permissions, begin, end)
    fields = {name: values[0] for name, values in parse_qs(token).items()}

    done = subprocess.run(
        [node_binary(), "-e", SIGN, str(CHECKER), json.dumps(fields)],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == fields["sig"]
    assert ("https", "c", permissions) == (fields["spr"], fields["sr"], fields["sp"])
