"""Downloads from a real web server on loopback: whole, checked, with consent, or not at all."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from testbed.errors import HostError, InputError
from testbed.traces import catalogue, store
from testbed.units import format_size
from tests.unit.traces.test_commands import run

CSV = "t_s,rtt_ms\n" + "".join(f"{n},{20 + n % 7}\n" for n in range(20_000))


class Web(BaseHTTPRequestHandler):
    """Serves good.csv; cut.csv says that it is longer than it is; nothing else is there."""

    def do_GET(self) -> None:
        body = CSV.encode()
        if self.path not in ("/good.csv", "/cut.csv"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + (1000 if self.path == "/cut.csv" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def dataset(address: str, sha256: str = "") -> catalogue.Dataset:
    entries = {name: catalogue.DatasetFile("csv", sha256) for name in ("good.csv", "cut.csv", "gone.csv")}
    return catalogue.Dataset("a test", address, "CC0 of a test", "nobody, 2026", entries, name="web")


@pytest.fixture
def known(address: str, monkeypatch: pytest.MonkeyPatch, tmp_path) -> catalogue.Dataset:
    """The catalogue of the commands, with the server's dataset alone."""
    found = dataset(address, hashlib.sha256(CSV.encode()).hexdigest())
    monkeypatch.setattr(catalogue, "read", lambda: catalogue.Datasets({"web": found}))
    monkeypatch.chdir(tmp_path)
    return found


def test_a_file_is_downloaded_imported_and_carries_its_terms(known, capsys, tmp_path) -> None:
    """The licence is shown before the download; the trace has source, licence and citation; the file stays beside."""
    assert 0 == run("pull web/good.csv --yes -o good.parquet")

    said = capsys.readouterr().out
    assert said.index("CC0 of a test") < said.index(f"downloaded web--good.csv: {format_size(len(CSV))}")
    trace = store.read(tmp_path / "good.parquet")
    assert 20_000 == len(trace.probes)
    assert ("CC0 of a test", "nobody, 2026") == (trace.provenance.licence, trace.provenance.citation)
    assert CSV == (tmp_path / "web--good.csv").read_text()


def test_nothing_is_asked_of_the_network_without_consent(known, capsys, tmp_path) -> None:
    """Without --yes and without a terminal the terms are shown and nothing is downloaded."""
    assert 2 == run("pull web/good.csv")

    assert "licence   CC0 of a test" in capsys.readouterr().out
    assert [] == list(tmp_path.iterdir())


def test_what_can_be_pulled_is_listed_with_its_licence(known, capsys) -> None:
    """Without a name each dataset stands with title and licence above its files."""
    assert 0 == run("pull")

    assert "web: a test; licence: CC0 of a test\n  web/good.csv\n" in capsys.readouterr().out


def test_progress_is_told_until_all_is_here(address, tmp_path) -> None:
    """How much is here grows to the length that the server told."""
    told: list[tuple[int, int | None]] = []

    catalogue.fetch(dataset(address), "good.csv", tmp_path / "x.csv", lambda *args: told.append(args))

    assert {len(CSV)} == {total for _, total in told}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(CSV) == told[-1][0]
    assert len(told) > 1


@pytest.mark.parametrize(
    ("name", "sha256", "error", "message"),
    [
        (
            "gone.csv",
            "",
            HostError,
            "/gone.csv: HTTP Error 404: Not Found; serve it from a folder with --from DIR",
        ),
        ("cut.csv", "", HostError, f"/cut.csv: ended after {len(CSV)} of {len(CSV) + 1000} bytes; try again"),
        ("good.csv", "00ff", InputError, "; the catalogue says 00ff"),
    ],
)
def test_what_does_not_arrive_whole_leaves_nothing(name, sha256, error, message, address, tmp_path) -> None:
    """404, a connection that ends early, another content: one line, no file, an older one stays."""
    (tmp_path / "x.csv").write_text("older")

    with pytest.raises(error) as raised:
        catalogue.fetch(dataset(address, sha256), name, tmp_path / "x.csv")

    assert message in str(raised.value)
    assert ["x.csv"] == [path.name for path in tmp_path.iterdir()]
    assert "older" == (tmp_path / "x.csv").read_text()


def test_an_unreachable_server_is_the_host_s_error(tmp_path) -> None:
    """Nobody listens there: the message tells of the way without a network."""
    with pytest.raises(HostError, match=r"Connection refused.*serve it from a folder with --from DIR"):
        catalogue.fetch(dataset("http://127.0.0.1:1"), "good.csv", tmp_path / "x.csv")


def test_addresses_are_of_files_at_a_commit() -> None:
    """Raw files at a full commit never change; what has no files says how to get them."""
    for found in catalogue.read().datasets.values():
        if found.files:
            parts = found.address.removeprefix("https://raw.githubusercontent.com/").split("/")
            assert 3 == len(parts), found.address
            assert 40 == len(parts[2])
            assert int(parts[2], 16)
        else:
            assert found.note
        for entry in found.files.values():
            assert entry.sha256 == "" or 64 == len(entry.sha256)
