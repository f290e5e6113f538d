"""What the role cache makes of a hub: slices, stale content in an outage, and no credential on the LAN."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.provision.conftest import SAS, UPLOAD_SAS, Lab

FRESH_S = 1.0
MIB = 1024 * 1024
BIG = bytes(range(251)) * (3 * MIB // 251)


@dataclass(frozen=True)
class Answer:
    """What a LAN client got."""

    status: int
    cache: str
    body: bytes
    seconds: float


@pytest.fixture(scope="module")
def cache(lab: Lab, blobs: Path) -> Lab:
    """The lab with a hub whose cache holds content fresh for a second."""
    (blobs / "big.bin").write_bytes(BIG)
    (blobs / "small.json").write_bytes(b'{"lesson": 1}')
    lab.provision(cache_fresh=f"{FRESH_S:g}s")
    return lab


@pytest.fixture(autouse=True)
def quiet_origin(cache: Lab) -> None:
    """Forget what the origin was asked by an earlier test."""
    cache.origin_requests()


def get(lab: Lab, path: str, *headers: str, method: str = "GET") -> Answer:
    """Ask the hub as a LAN client would."""
    options = " ".join(f"-H '{header}'" for header in headers)
    url = f"http://192.168.10.1/content/{path}"
    output = f"-o {lab.folder}/body -D /run/headers -w '%{{http_code}} %{{time_total}}'"
    status, seconds = lab.sh("client", f"curl -sS -m 20 -X {method} {output} {options} '{url}'").split()
    found = re.search(r"(?im)^x-cache-status: (\S+)", lab.sh("client", "cat /run/headers"))
    body = (lab.folder / "body").read_bytes()
    return Answer(int(status), found[1] if found else "", body, float(seconds))


def until(look: Callable[[], Any]) -> Any:
    """Look until there is something to see; after five seconds, what there is."""
    deadline = time.monotonic() + 5
    while not (seen := look()) and time.monotonic() < deadline:
        pass
    return seen


def expire() -> None:
    """Let what is cached become stale."""
    time.sleep(FRESH_S + 1)  # nginx counts whole seconds


@pytest.mark.parametrize("header", ["Range", "x-ms-range"])
def test_a_range_costs_one_slice(cache: Lab, header: str) -> None:
    """100 bytes of a large blob fetch its version and 1 MiB, whichever header asks for them, and are the right 100."""
    name = f"{header}.bin"
    (cache.folder / "blobs" / "content" / name).write_bytes(BIG)
    answer = get(cache, name, f"{header}: bytes={MIB + 7}-{MIB + 106}")

    assert (206, "MISS", BIG[MIB + 7 : MIB + 107]) == (answer.status, answer.cache, answer.body)
    asked = [(request["method"], request["range"]) for request in cache.origin_requests()]
    assert [("HEAD", ""), ("GET", f"bytes={MIB}-{2 * MIB - 1}")] == asked


def test_a_range_does_not_stand_for_the_whole_blob(cache: Lab) -> None:
    """After a range asked for the SDK's way the whole blob is still the whole blob, and the other way round."""
    get(cache, "big.bin", "x-ms-range: bytes=0-99")
    whole = get(cache, "big.bin")
    part = get(cache, "big.bin", "x-ms-range: bytes=0-99")

    assert (200, BIG) == (whole.status, whole.body)
    assert (206, "HIT", BIG[:100]) == (part.status, part.cache, part.body)


def test_clients_need_no_token_and_theirs_is_ignored(cache: Lab) -> None:
    """The origin is asked with the hub's token alone; what a client sends as a credential does not get there."""
    get(cache, "small.json?sig=mine&comp=list", "Authorization: Bearer mine")
    requests = cache.origin_requests()

    assert ["HEAD", "GET"] == [request["method"] for request in requests]
    assert {(f"/content/small.json?{SAS}", "")} == {(r["uri"], r["authorization"]) for r in requests}


def test_clients_cannot_write(cache: Lab) -> None:
    """The hub's token is not for the LAN's writes."""
    assert 403 == get(cache, "small.json", method="PUT").status


def put(lab: Lab, path: str, body: bytes, *headers: str, timeout_s: float = 20) -> int:
    """Upload through the hub as a LAN client would; return the status, 0 for none."""
    (lab.folder / "upload").write_bytes(body)
    command = f"curl -s -m {timeout_s} -o /dev/null -w '%{{http_code}}' -T {lab.folder}/upload"
    options = " ".join(f"-H '{header}'" for header in headers)
    return int(
        lab.nodes["client"].run(["sh", "-c", f"{command} {options} 'http://192.168.10.1/{path}'"]).stdout or 0
    )


def test_an_upload_reaches_the_tenant_whole(cache: Lab) -> None:
    """An upload is stored byte for byte with the hub's upload token, whatever the client sends as one."""
    assert put(cache, "uploads/clinic/00001?sig=mine", BIG) in (200, 201, 204)
    (request,) = cache.origin_requests()

    assert BIG == (cache.folder / "blobs/uploads/clinic/00001").read_bytes()
    assert ("PUT", f"/uploads/clinic/00001?{UPLOAD_SAS}") == (request["method"], request["uri"])


@pytest.mark.parametrize(
    "query", ["comp=block&blockid=QUFB%3D", "comp=blocklist", "comp=appendblock", "comp=page"]
)
def test_a_part_of_an_upload_stays_a_part(cache: Lab, query: str) -> None:
    """What a PUT is one part of is said in its query, and the tenant is told; the client's token it is not told."""
    put(cache, f"uploads/clinic/parts?timeout=30&{query}&sv=2020-01-01&sig=mine", b"part")
    (request,) = cache.origin_requests()

    assert (f"/uploads/clinic/parts?{query}&{UPLOAD_SAS}", "") == (request["uri"], request["type"])


def test_an_uploads_headers_pass_and_credentials_do_not(cache: Lab) -> None:
    """Conditions, metadata and the kind of blob reach the tenant as they were sent; tokens and cookies do not."""
    headers = ("If-None-Match: *", "x-ms-meta-taken_by: x1", "x-ms-blob-type: AppendBlob")
    put(cache, "uploads/clinic/headers", b"", *headers, "Authorization: Bearer mine", "Cookie: mine=1")
    (request,) = cache.origin_requests()

    assert ("*", "x1", "AppendBlob") == tuple(request[key] for key in ("if_none_match", "taken_by", "type"))
    assert ("", "") == (request["authorization"], request["cookie"])


@pytest.mark.parametrize(
    "query",
    [
        "comp=metadata",
        "comp=tier",
        "comp=snapshot",
        "c%6Fmp=block",
        "comp=bl%6Fck",
        "restype=container",
        "x=1",
    ],
)
def test_an_unknown_operation_is_refused(cache: Lab, query: str) -> None:
    """A PUT that the hub does not know to be an upload is refused, and never taken for one."""
    assert 400 == put(cache, f"uploads/clinic/00001?{query}", b"x")
    assert [] == cache.origin_requests()


def test_a_copy_is_refused(cache: Lab) -> None:
    """The tenant is not made to fetch from elsewhere with the hub's token."""
    assert 400 == put(cache, "uploads/clinic/00001", b"", "x-ms-copy-source: https://elsewhere/x")
    assert [] == cache.origin_requests()


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST", "HEAD"])
def test_uploads_can_only_be_put(cache: Lab, method: str) -> None:
    """Nothing else than a PUT is passed on to the container of uploads."""
    status = cache.sh(
        "client",
        f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' -X {method} "
        f"{'-I ' if method == 'HEAD' else ''}http://192.168.10.1/uploads/clinic/00001",
    )

    assert "403" == status
    assert [] == cache.origin_requests()


def test_an_upload_into_the_dark_is_not_acknowledged(cache: Lab) -> None:
    """With every uplink black-holed the client learns that its upload failed; the hub does not pretend."""
    cache.cut("dish")
    cache.cut("modem")
    dark = put(cache, "uploads/clinic/00002", b"x-ray")
    cache.heal("dish")
    cache.heal("modem")

    assert 504 == dark
    assert not (cache.folder / "blobs/uploads/clinic/00002").exists()
    assert put(cache, "uploads/clinic/00002", b"x-ray") in (200, 201, 204)


def test_other_containers_are_not_served(cache: Lab) -> None:
    """A path beside the container is not found, also when it is written with dots."""
    assert 404 == get(cache, "../other/x").status
    assert 404 == int(
        cache.sh(
            "client",
            "curl -s --path-as-is -o /dev/null -w '%{http_code}' http://192.168.10.1/content/../other/x",
        )
    )


def test_a_stale_version_is_asked_about_in_the_background(cache: Lab) -> None:
    """What is kept of an expired version is served at once, and the origin asked one question, whatever its length."""
    (cache.folder / "blobs" / "content" / "renewed.bin").write_bytes(BIG)
    get(cache, "renewed.bin")
    cache.origin_requests()
    expire()
    stale = get(cache, "renewed.bin")
    (request,) = until(cache.origin_requests)  # in the background
    fresh = until(lambda: answer if (answer := get(cache, "renewed.bin")).cache == "HIT" else None)

    assert ("STALE", BIG, "HIT", BIG) == (stale.cache, stale.body, fresh.cache, fresh.body)
    assert ("HEAD", 304) == (request["method"], request["status"])


def replace(cache: Lab, name: str, body: bytes) -> None:
    """Put another content in a blob's place, at one instant and with another ETag."""
    content = cache.folder / "blobs" / "content"
    (content / "next").write_bytes(body)
    later = (content / name).stat().st_mtime + 10  # nginx makes ETags of whole seconds
    os.utime(content / "next", (later, later))
    (content / "next").rename(content / name)


def test_no_answer_is_cut_short_by_a_change(cache: Lab) -> None:
    """Of a blob whose slices are all kept each answer is whole and of one version, while it is renewed too."""
    (cache.folder / "blobs" / "content" / "changed.bin").write_bytes(BIG)
    after = BIG[::-1]
    get(cache, "changed.bin")
    cache.origin_requests()
    expire()
    get(cache, "changed.bin", f"Range: bytes={MIB}-{MIB + 9}")
    until(cache.origin_requests)  # in the background; the slice between the others was asked for last
    replace(cache, "changed.bin", after)
    bodies = [get(cache, "changed.bin").body]
    until(lambda: bodies.append(get(cache, "changed.bin").body) or after == bodies[-1])

    assert (BIG, after) == (bodies[0], bodies[-1])
    assert {BIG, after} == set(bodies)


def test_a_version_that_is_gone_is_not_asked_for_again(cache: Lab) -> None:
    """What has changed at the origin before all of it was fetched is served as it is now, and at once."""
    (cache.folder / "blobs" / "content" / "gone.bin").write_bytes(BIG)
    get(cache, "gone.bin", "Range: bytes=0-9")
    replace(cache, "gone.bin", BIG[::-1])
    part = get(cache, "gone.bin", f"Range: bytes={MIB}-{MIB + 9}")
    fetch = f"curl -s -m 20 -o {cache.folder}/whole 'http://192.168.10.1/content/gone.bin'"
    until(lambda: 0 == cache["client"].run(["sh", "-c", fetch]).returncode)

    assert (206, BIG[::-1][MIB : MIB + 10]) == (part.status, part.body)
    assert BIG[::-1] == (cache.folder / "whole").read_bytes()
    assert sum(412 == request["status"] for request in cache.origin_requests()) <= 2  # one on its heels


def test_content_keeps_the_date_at_which_it_was_made(cache: Lab) -> None:
    """A client can tell how old its content is: its Date is the tenant's of then, not the hub's of now."""
    (cache.folder / "blobs" / "content" / "dated.json").write_bytes(b"{}")
    dates = []
    for status in ("MISS", "STALE"):
        assert status == get(cache, "dated.json").cache
        dates += re.findall(r"(?im)^date: (.+?)\s*$", cache.sh("client", "cat /run/headers"))
        expire()

    assert 2 == len(dates)
    assert dates[0] == dates[1]


def test_one_version_of_a_blob_in_several_requests(cache: Lab) -> None:
    """If-Match, with which the SDK holds on to a version, is honoured although the slices of another are cached."""
    get(cache, "small.json")

    assert 412 == get(cache, "small.json", 'If-Match: "another"').status


def test_stale_content_through_an_outage(cache: Lab) -> None:
    """With every uplink black-holed, cached content is served at once and a cold miss fails within the time-out."""
    get(cache, "big.bin")
    expire()
    cache.cut("dish")
    cache.cut("modem")
    cached = get(cache, "big.bin")
    cold = get(cache, "cold.bin")
    cache.heal("dish")
    cache.heal("modem")

    assert (200, "STALE", BIG) == (cached.status, cached.cache, cached.body)
    assert 504 == cold.status
    assert 1 <= cold.seconds  # the time-out of the origin
    assert cached.seconds < 1  # nobody waited for it


def test_no_log_holds_the_token(cache: Lab) -> None:
    """Not even a message about an origin that timed out shows it."""
    assert "504" in cache.sh("hub", "cat /var/log/nginx/origin.jsonl")
    for token in (SAS, UPLOAD_SAS):
        signature = token.partition("sig=")[2]
        assert signature not in cache.sh("hub", "cat /var/log/nginx/*")
        assert signature not in cache.sh("hub", "ps axww")


def test_a_false_origin_is_refused(cache: Lab) -> None:
    """An origin whose certificate the run's authority did not sign gets no request and no token."""
    script = """
        openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=account.blob.core.windows.net -days 1 \
            -keyout /run/false.key -out /run/false.pem 2>/dev/null
        sed 's#ssl_certificate .*#ssl_certificate /run/false.pem; ssl_certificate_key /run/false.key;#' \
            {folder}/origin.conf > /run/false.conf
        nginx -c {folder}/origin.conf -s stop; sleep 0.5; nginx -c /run/false.conf
    """
    cache.sh("internet", script.format(folder=cache.folder))
    answer = get(cache, "unseen.bin")

    assert 502 == answer.status
    assert [] == cache.origin_requests()
