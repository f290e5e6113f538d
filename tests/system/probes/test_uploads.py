"""Uploads against a real nginx on the hub: tried again until acknowledged, and compared with what is stored."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from testbed.errors import RunError
from testbed.model.traffic import HttpPut
from testbed.probes.kinds import probe_for
from testbed.tenant.content import StoredObject
from tests.system.probes.two_wans import Lab

S = 10**9
NGINX = """
daemon off; user root; pid {root}/nginx.pid; error_log {root}/error.log; worker_processes 1;
events {{}}
http {{
  access_log off; client_body_temp_path {root}/partial; client_max_body_size 64m;
  server {{ listen 192.168.10.1:80; root {root}; location /uploads/ {{ dav_methods PUT; create_full_put_path on; }} }}
}}
"""
TRAFFIC = HttpPut(kind="http-put", from_="client", size=50_000, rate=10.0, timeout=2 * S, name="clinic")

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")


class Store:
    """nginx on the hub that keeps uploads as files; it can be stopped, started, and robbed."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self.folder = lab, folder
        (folder / "nginx.conf").write_text(NGINX.format(root=folder))
        self.start()

    def start(self) -> None:
        self._nginx = self._lab.hub.popen(["nginx", "-c", str(self.folder / "nginx.conf")])
        wait_until(time.time_ns() + 5 * S, lambda: ":80" in self._lab.hub.run(["ss", "-Hltn"]).stdout)

    def stop(self) -> None:
        self._nginx.terminate()
        self._nginx.wait()

    def kept(self) -> Mapping[str, StoredObject]:
        """What is stored, as the tenant would read it out."""
        files = [p for p in (self.folder / "uploads").rglob("*") if p.is_file()]
        read = {str(p.relative_to(self.folder / "uploads")): p.read_bytes() for p in files}
        return {n: StoredObject(n, len(b), hashlib.sha256(b).hexdigest()) for n, b in read.items()}


def wait_until(instant_ns: int, holds: Callable[[], bool] = lambda: False) -> None:
    while time.time_ns() < instant_ns and not holds():
        time.sleep(0.01)


@pytest.fixture
def store(lab: Lab, tmp_path: Path) -> Iterator[Store]:
    store = Store(lab, tmp_path)
    yield store
    store.stop()


def measured(
    lab: Lab,
    store: Store,
    *at: tuple[float, Callable[[], None]],
    uploaded: Callable[[], Mapping[str, StoredObject]] | None = None,
    end: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Upload for 3 s while ``at`` (seconds, action) happens; return the samples."""
    options = {"upload_url": "http://192.168.10.1/uploads", "uploaded": uploaded or store.kept}
    probe = probe_for(TRAFFIC, lab.site(store.folder, 3, **options))
    probe.open()
    probe.ready()
    at_ns = time.time_ns() + S
    probe.start(at_ns)
    for second, act in at:
        wait_until(at_ns + round(second * S))
        act()
    wait_until(at_ns + 4 * S)
    end()
    return pq.read_table(probe.finish()).to_pylist()  # type: ignore[no-any-return]


def test_every_upload_is_acknowledged_and_compared(lab: Lab, store: Store) -> None:
    """About ten a second, each put once, acknowledged, and found again bit for bit."""
    rows = measured(lab, store)

    assert 15 < len(rows) < 50
    early = [r for r in rows if r["t_ns"] < 2 * S]
    assert {(1, True, None)} == {(r["attempts"], r["durable"], r["error"]) for r in early}
    assert all(r["acknowledged_ns"] > 0 for r in early)


def test_an_upload_is_tried_again_until_it_is_acknowledged(lab: Lab, store: Store) -> None:
    """While the store is down, attempts fail and are repeated; afterwards the same bytes are stored."""
    rows = measured(lab, store, (0.5, store.stop), (1.0, store.start))

    repeated = [r for r in rows if r["attempts"] > 1 and r["acknowledged_ns"]]
    assert len(repeated) > 1
    assert {True} == {r["durable"] for r in repeated}
    assert all(r["acknowledged_ns"] > S // 2 for r in repeated)


def test_what_was_acknowledged_and_is_not_there_is_found(lab: Lab, store: Store) -> None:
    """A store that loses one upload and changes another's bytes is found out; the samples tell which."""

    def rob() -> None:
        first, second, *_ = sorted((store.folder / "uploads" / "clinic").iterdir())
        first.unlink()
        second.write_bytes(b"x" * 50_000)

    rows = measured(lab, store, end=rob)

    assert ["clinic/00000", "clinic/00001"] == [r["object"] for r in rows if r["durable"] is False]


def test_without_a_comparison_the_samples_are_kept(lab: Lab, store: Store) -> None:
    """Where the tenant cannot be read, the run learns of it and nothing is claimed about durability."""

    def unreadable() -> Mapping[str, StoredObject]:
        raise RunError("tenant: it is gone")

    with pytest.raises(RunError, match="it is gone"):
        measured(lab, store, uploaded=unreadable)

    rows = pq.read_table(store.folder / "clinic.parquet").to_pylist()
    assert {None} == {r["durable"] for r in rows}
    assert any(r["acknowledged_ns"] for r in rows)
