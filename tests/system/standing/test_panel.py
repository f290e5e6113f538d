"""The panel of a lab: who may use it, what its REST does, and the page in a browser."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import yaml

from testbed.standing import registry
from testbed.standing.client import ask
from tests.system.report import browser
from tests.system.standing.test_lab import TOPOLOGY, Standing, lab

NAME = "panelled"


@pytest.fixture(scope="module")
def called_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Standing, str]]:
    """A lab, and the address of the panel that came up with it."""
    results = tmp_path_factory.mktemp("results")
    options = ["--name", NAME, "--results", str(results), "--panel"]
    with showing("up", TOPOLOGY, *options) as address:
        yield Standing(NAME, results), address
    lab("down", NAME)


@pytest.fixture(scope="module")
def standing(called_up: tuple[Standing, str]) -> Standing:
    return called_up[0]


@pytest.fixture(scope="module")
def address(standing: Standing) -> Iterator[str]:
    """What another panel of the lab printed: its address, with the token."""
    with showing("panel", "--lab", standing.name) as address:
        yield address


@contextmanager
def showing(*arguments: str) -> Iterator[str]:
    """Give the address that a command of a lab prints as long as it shows a panel; Ctrl-C ends it well."""
    command = [sys.executable, "-m", "testbed", "lab", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield next(line.strip() for line in process.stdout if line.startswith("http"))
        process.send_signal(signal.SIGINT)
        assert 0 == process.wait(timeout=60)


@pytest.fixture
def panel(address: str) -> Iterator[httpx.Client]:
    """One who has the token."""
    parts = urlsplit(address)
    bearer = {"Authorization": f"Bearer {parse_qs(parts.query)['token'][0]}"}
    with httpx.Client(base_url=f"http://{parts.netloc}", headers=bearer, timeout=60, trust_env=False) as client:
        yield client


def deeds(standing: Standing) -> str:
    return " ".join(ask(registry.find(standing.name), "state")["by_hand"])


def test_it_listens_on_loopback_and_answers_who_has_the_token(address: str, panel: httpx.Client) -> None:
    """Nobody else: not without it, not with another, and not a page of another name that points here."""
    assert "127.0.0.1" == urlsplit(address).hostname
    assert 200 == panel.get("/api/state").status_code
    assert 400 == panel.get("/api/state", headers={"Host": "evil.example"}).status_code
    for shown in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
        for path in ("/", "/api/state", "/api/stream", "/openapi.json"):
            assert 401 == panel.get(path, headers=shown).status_code
        assert 401 == panel.post("/api/links/lte/outage", json={"duration": "5s"}, headers=shown).status_code


def test_a_change_is_the_labs(standing: Standing, panel: httpx.Client) -> None:
    """What REST is asked for is done by hand as any other; what is wrong is said, and nothing is done."""
    done = panel.post("/api/links/starlink/set", json={"values": "loss 7% for 1s", "direction": "up"})
    wrong = panel.post("/api/links/starlink/set", json={"values": "loss 7 potatoes"})
    nowhere = panel.post("/api/links/starlynk/outage", json={"duration": "1s"})

    assert (200, "starlink loss 7% for 1 s (up alone)") == (done.status_code, done.json()["did"])
    assert (422, 422) == (wrong.status_code, nowhere.status_code)
    assert "did you mean 'starlink'" in nowhere.json()["error"]
    assert "loss 7% for 1 s" in deeds(standing) and "potatoes" not in deeds(standing)


def test_it_says_how_it_is_asked(panel: httpx.Client) -> None:
    """OpenAPI names every path, for programs."""
    paths = set(panel.get("/openapi.json").json()["paths"])
    alone = ("state", "stream", "play", "check", "save", "links/{link}/set", "links/{link}/outage")

    assert {f"/api/{what}" for what in alone} == paths


def test_a_panel_that_comes_up_with_its_lab_is_one_of_its_own(called_up: tuple[Standing, str], address: str) -> None:
    """Its token opens it; another panel's does not."""
    mine = urlsplit(called_up[1])

    assert 303 == httpx.get(called_up[1], trust_env=False).status_code
    assert 401 == httpx.get(f"http://{mine.netloc}/?{urlsplit(address).query}", trust_env=False).status_code


def test_events_are_played_judged_and_kept(panel: httpx.Client) -> None:
    """What 'lab play', 'check' and 'save' do, over REST; a file of events with a mistake is refused with its line."""
    text = "events:\n  - {at: 0 s, uplink: lte, outage: 1 s}\n"
    played = panel.post("/api/play", json={"text": text})
    wrong = panel.post("/api/play", json={"text": text.replace("lte", "lta"), "file": "mine"})
    checked = panel.post("/api/check", json={"last": "1min"})
    saved = panel.post("/api/save").json()

    assert ["lte outage 1 s"] == [event["what"] for event in played.json()["events"]]
    assert 422 == wrong.status_code and "mine:2" in wrong.json()["error"]
    assert 200 == checked.status_code and checked.json()["window_ns"][0] < checked.json()["window_ns"][1]
    assert {"uplink": "lte", "outage": "1 s"}.items() <= yaml.safe_load(saved["text"])["events"][-1].items()


def test_samples_come_as_events(panel: httpx.Client) -> None:
    """Each is a sample of the control socket; time goes on from one to the next."""
    with panel.stream("GET", "/api/stream") as stream:
        lines = (line.removeprefix("data: ") for line in stream.iter_lines() if line)
        first, second = (json.loads(next(lines)) for _ in range(2))

    assert {"starlink", "lte"} == set(first["links"])
    assert first["t_ns"] < second["t_ns"]


@pytest.mark.skipif(browser.chromium() is None, reason="no browser: 'make test-report' installs chromium")
def test_the_page_shows_the_links_and_touches_them(address: str, standing: Standing, tmp_path: Path) -> None:
    """Cards of all links, live; a button does what it says; no error, and nothing is asked of anybody else."""
    blank = tmp_path / "blank.html"
    blank.write_text("<p>blank")
    with browser.opened(blank) as page:
        page.visit(address)
        drawn = "document.querySelectorAll('.link canvas').length"
        page.run(f"new Promise(done => {{ const look = () => {drawn} == 4 ? done() : setTimeout(look, 50); look(); }})")
        page.run("document.querySelector('[data-link=lte] [data-outage=\"5s\"]').click()")
        said = "document.getElementById('deeds').textContent.includes('lte outage 5 s')"
        page.run(f"new Promise(done => {{ const look = () => {said} ? done() : setTimeout(look, 50); look(); }})")

        page.run("document.querySelector('#save button').click()")
        said = "document.getElementById('word').textContent.includes('dry-run')"
        page.run(f"new Promise(done => {{ const look = () => {said} ? done() : setTimeout(look, 50); look(); }})")

        assert "starlink" in page.text and "Mbit/s" in page.text
        assert "token" not in page.run("location.href")
        assert [] == page.console
        assert {urlsplit(address).netloc} == {urlsplit(request).netloc for request in page.requests}
    assert "lte outage 5 s" in deeds(standing)
