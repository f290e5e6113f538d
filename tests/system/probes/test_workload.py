"""The workload against a real nginx on the hub: what it sends, when, and what it records of it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from testbed.errors import RunError
from testbed.model.catalogue import CatalogueObject
from testbed.model.traffic import HttpGet
from testbed.probes import workload
from testbed.probes.demand import draw
from testbed.probes.probe import ProbeState, Site
from testbed.probes.workload import Workload
from testbed.tenant.content import content, manifest
from tests.system.probes.two_wans import Lab

OBJECTS = (
    CatalogueObject("small/a", 4_000, 0.6, "application/json"),
    CatalogueObject("images/a", 2_000_000, 0.4, "image/jpeg"),
)
NGINX = """
pid {root}/nginx.pid; error_log {root}/error.log; daemon off; user root; worker_processes 1;
events {{}}
http {{
  access_log off; default_type application/octet-stream; client_body_temp_path {root}/tmp;
  server {{
    listen 192.168.10.1:80; root {root}; add_header X-Cache-Status HIT;
    location /slow/ {{ alias {root}/content/; limit_rate 500k; }}
  }}
}}
"""

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")


@dataclass(frozen=True)
class Web:
    """nginx on the hub with the seeded content below /content, and slowly below /slow."""

    lab: Lab
    folder: Path
    stop: Callable[[], None]

    def site(self, duration_s: float, path: str = "content", **options: Any) -> Site:
        return self.lab.site(
            self.folder,
            duration_s,
            url=f"http://192.168.10.1/{path}",
            objects=OBJECTS,
            stored=manifest(7, OBJECTS),
            seed=7,
            **options,
        )


@pytest.fixture
def web(lab: Lab, tmp_path: Path) -> Iterator[Web]:
    for o in OBJECTS:
        path = tmp_path / "content" / o.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(7, o.name, o.size))
    (tmp_path / "nginx.conf").write_text(NGINX.format(root=tmp_path))
    nginx = lab.hub.popen(["nginx", "-c", str(tmp_path / "nginx.conf")])

    def stop() -> None:
        nginx.terminate()
        nginx.wait()

    _wait_until(time.time_ns() + 5 * 10**9, lambda: b":80" in lab.hub.run(["ss", "-Hltn"]).stdout.encode())
    yield Web(lab, tmp_path, stop)
    stop()


def _wait_until(instant_ns: int, holds: Callable[[], bool] = lambda: False) -> None:
    while time.time_ns() < instant_ns and not holds():
        time.sleep(0.01)


def _traffic(rate: float, timeout_s: float = 5) -> HttpGet:
    return HttpGet(
        kind="http-get",
        from_="client",
        catalogue="school-day",
        rate=rate,
        timeout=round(timeout_s * 1e9),
        name="lessons",
    )


def _started(traffic: HttpGet, site: Site) -> tuple[Workload, int]:
    probe = Workload(traffic, site)
    probe.open()
    probe.ready()
    at_ns = time.time_ns() + 10**9
    probe.start(at_ns)
    return probe, at_ns


def _run(traffic: HttpGet, site: Site) -> list[dict[str, Any]]:
    probe, at_ns = _started(traffic, site)
    _wait_until(at_ns + site.duration_ns)
    return _rows(probe.finish())


def _rows(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]


def test_every_request_is_sent_at_its_time_and_checked(web: Web) -> None:
    """Each request of the drawn plan is there, sent in time, answered whole, with hash and cache status."""
    rows = _run(_traffic(20), web.site(2))

    plan = draw("7/lessons", 20, 2 * 10**9, OBJECTS)
    assert [(r.at_ns, r.object) for r in plan] == [(row["t_ns"], row["object"]) for row in rows]
    assert {(200, "HIT", None, True, "client")} == {
        (row["status"], row["cache"], row["error"], row["sha256_ok"], row["client"]) for row in rows
    }
    assert all(row["size"] == row["bytes"] for row in rows)
    assert all(0 < row["ttfb_ns"] <= row["total_ns"] for row in rows)
    lateness = sorted(row["started_ns_late"] for row in rows)
    assert 0 <= lateness[0]
    assert lateness[len(lateness) // 2] < 200_000_000


def test_parts_and_conditions_are_checked_byte_for_byte(web: Web) -> None:
    """nginx answers ranges 206, known versions 304; short objects come whole."""
    seeking = replace(_traffic(20), range=300_000, conditional=0.5)
    rows = _run(seeking, web.site(2))
    parts = [r for r in rows if r["first"] is not None]

    assert {"images/a"} == {r["object"] for r in parts}
    assert {200, 206, 304} == {r["status"] for r in rows}
    assert {(True, 0, None)} == {(r["sha256_ok"], r["version"], r["error"]) for r in rows}
    assert {(300_000, f"bytes {r['first']}-{r['last']}/2000000") for r in parts if r["status"] == 206} == {
        (r["bytes"], r["content_range"]) for r in parts if r["status"] == 206
    }
    assert {True} == {r["conditional"] for r in rows if r["status"] == 304}


def test_wrong_bytes_are_found_in_a_part(web: Web) -> None:
    """The right place of another file is not what was asked for."""
    (web.folder / "content/images/a").write_bytes(content(8, "images/a", 2_000_000))
    parts = [r for r in _run(replace(_traffic(20), range=300_000), web.site(1)) if r["status"] == 206]

    assert {(False, -1)} == {(r["sha256_ok"], r["version"]) for r in parts}


def test_a_slow_server_meets_the_same_demand(web: Web) -> None:
    """The loop is open: 4 s answers delay no later request."""
    rows = _run(_traffic(10, timeout_s=20), web.site(2, "slow"))

    plan = draw("7/lessons", 10, 2 * 10**9, OBJECTS)
    assert [r.at_ns for r in plan] == [row["t_ns"] for row in rows]
    assert max(row["started_ns_late"] for row in rows) < 2 * 10**9  # the answers take longer, see below
    slow = [row for row in rows if row["size"] > 10**6]
    assert {True} == {row["sha256_ok"] for row in slow}
    assert min(row["total_ns"] for row in slow) > 2 * 10**9


def test_a_timeout_is_recorded_with_what_had_come(web: Web) -> None:
    """A request that takes too long ends at its time-out, with its status and the bytes so far."""
    rows = [r for r in _run(_traffic(10, timeout_s=1), web.site(1, "slow")) if r["size"] > 10**6]

    assert {("timeout: 1 s", 200, None)} == {(r["error"], r["status"], r["sha256_ok"]) for r in rows}
    assert all(0 < r["bytes"] < r["size"] for r in rows)
    assert all(0.9e9 < r["total_ns"] < 3e9 for r in rows)  # of the 4 s that the answer takes


def test_wrong_bytes_are_found(web: Web) -> None:
    """An answer of the right size with other bytes is not the object."""
    (web.folder / "content/small/a").write_bytes(content(8, "small/a", 4_000))

    assert {"small/a": False, "images/a": True} == {
        row["object"]: row["sha256_ok"] for row in _run(_traffic(20), web.site(1))
    }


def test_an_error_status_is_a_response(web: Web) -> None:
    """A 404 has a status and no hash, and is no error of the transport."""
    rows = _run(_traffic(20), web.site(1, "nothing"))

    assert {(404, None, None)} == {(row["status"], row["error"], row["sha256_ok"]) for row in rows}


def test_a_server_that_is_not_there_is_an_error(web: Web) -> None:
    """Without a server each request has an error and neither status nor times of a response."""
    web.stop()
    rows = _run(_traffic(20), web.site(1))

    assert {(None, None, 0)} == {(row["status"], row["ttfb_ns"], row["bytes"]) for row in rows}
    assert all(row["error"].startswith("ClientConnectorError: ") for row in rows)


def test_requests_beyond_the_bound_are_recorded_as_refused(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many in flight a request is not sent, and its sample says so."""
    monkeypatch.setattr(workload, "REQUESTS_AT_ONCE", 2)
    rows = _run(_traffic(20, timeout_s=20), web.site(1, "slow"))

    refused = [row for row in rows if row["error"] == "refused: 2 requests in flight"]
    assert len(draw("7/lessons", 20, 10**9, OBJECTS)) == len(rows)
    assert 0 < len(refused) < len(rows)
    assert {(None, None)} == {(row["status"], row["total_ns"]) for row in refused}


def test_an_interruption_records_what_was_in_flight(web: Web) -> None:
    """Finishing early keeps the answers, marks what was in flight, and has no sample of what was not sent."""
    probe, at_ns = _started(_traffic(10, timeout_s=30), web.site(60, "slow"))
    _wait_until(at_ns + 2 * 10**9)
    begun = time.monotonic()
    rows = _rows(probe.finish())

    assert time.monotonic() - begun < 20  # of a time-out of 30 s
    assert {None, "interrupted"} == {row["error"] for row in rows}
    assert 1e9 < max(row["t_ns"] for row in rows) < 20e9  # of 60 s


def test_a_killed_client_leaves_its_samples_and_is_reported(web: Web) -> None:
    """When the client dies, the finished requests are samples, and the run learns of it."""
    probe, at_ns = _started(_traffic(20), web.site(2))
    _wait_until(at_ns + 10**9)
    assert probe._scripts[0].process
    os.kill(probe._scripts[0].process.pid, signal.SIGKILL)
    _wait_until(at_ns + 2 * 10**9)
    with pytest.raises(RunError, match=r"lessons: the HTTP client ended after \d+ of \d+ requests"):
        probe.finish()

    assert 5 < len(_rows(web.folder / "lessons.parquet")) < 35


def test_the_screen_sees_the_last_second(web: Web) -> None:
    """Polling tells starting, running and ended, with good and bad answers of the last second."""
    probe, at_ns = _started(_traffic(20), web.site(3))
    before = probe.poll().state
    _wait_until(at_ns + 3 * 10**9 // 2)
    good = probe.poll()
    web.stop()
    _wait_until(at_ns + 3 * 10**9)
    bad = probe.poll()
    probe.finish()

    assert ProbeState.STARTING is before
    assert ProbeState.RUNNING is good.state
    assert good.answered > 5
    assert 0 == good.failed
    assert bad.failed > 5
    assert ProbeState.ENDED is probe.poll().state


def test_a_client_that_cannot_start_is_reported(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Python cannot run the client, the error shows its last words."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho No module named aiohttp >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    probe = Workload(_traffic(20), lab.site(tmp_path, 1, objects=OBJECTS, stored=manifest(7, OBJECTS)))
    probe.open()

    with pytest.raises(RunError, match="the HTTP client did not start: No module named aiohttp"):
        probe.ready()
