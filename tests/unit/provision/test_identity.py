"""The program on a hub that keeps the cache's token, against stand-ins of the endpoints that give them out."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from testbed.paths import PLAYBOOKS

PROGRAM = PLAYBOOKS / "roles" / "cache" / "files" / "identity.py"
RESOURCE = "https://storage.azure.com/"


def _program() -> Any:
    spec = importlib.util.spec_from_file_location("hub_identity", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


identity = _program()


class TokenEndpoint(BaseHTTPRequestHandler):
    """Gives out a token to who asks as the server's ``asks`` says; of Azure Arc only to who has read the key."""

    server: Any

    def do_GET(self) -> None:
        asked = {key: value for key, (value,) in parse_qs(urlsplit(self.path).query).items()}
        self.server.asked.append(asked)
        key = self.server.key
        if key is not None and self.headers["Authorization"] != f"Basic {key.read_text()}":
            return self._answer(401, {}, {"WWW-Authenticate": f"Basic realm={key}"})
        if any(self.headers[name] != value for name, value in self.server.needs.items()):
            return self._answer(400, {})
        return self._answer(200, {"access_token": "a.b.c", "expires_on": str(int(time.time()) + self.server.lasts_s)})

    def _answer(self, status: int, told: dict[str, str], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), TokenEndpoint)
    server.asked, server.needs, server.key, server.lasts_s = [], {}, None, 3600
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _settings(folder: Path, kind: str = "managed", file: str = "") -> dict[str, Any]:
    include = str(folder / "origin.conf")
    return {"kind": kind, "file": file, "resource": RESOURCE, "include": include, "reload": ["true"]}


def _said(settings: dict[str, Any]) -> str:
    return Path(settings["include"]).read_text()


@pytest.mark.parametrize("style", ["metadata service", "App Service", "Azure Arc"])
def test_a_managed_identity_s_token_goes_to_nginx(
    endpoint: Any, style: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked as each kind of endpoint wants it; the file is root's, and half of the time later it is asked again."""
    url, settings = f"http://127.0.0.1:{endpoint.server_address[1]}/token", _settings(tmp_path)
    endpoint.needs = {"Metadata": "true"}
    monkeypatch.delenv("IDENTITY_HEADER", raising=False)
    if style == "metadata service":
        monkeypatch.delenv("IDENTITY_ENDPOINT", raising=False)
        monkeypatch.setattr(identity, "IMDS", url)
    else:
        monkeypatch.setenv("IDENTITY_ENDPOINT", url)
    if style == "App Service":
        monkeypatch.setenv("IDENTITY_HEADER", "secret")
        endpoint.needs["X-IDENTITY-HEADER"] = "secret"
    if style == "Azure Arc":
        endpoint.key = tmp_path / "arc.key"
        endpoint.key.write_text("challenge")

    changed, wait_s = identity.renew(settings)

    assert changed
    assert 1700 < wait_s <= 1800
    assert 'set $bearer "Bearer a.b.c";' in _said(settings)
    assert 0o600 == Path(settings["include"]).stat().st_mode & 0o777
    assert {RESOURCE} == {asked["resource"] for asked in endpoint.asked}
    assert (False, 1) == (identity.renew(settings)[0], _said(settings).count("Bearer a.b.c"))


def test_a_token_that_is_refused_leaves_the_one_there_was(
    endpoint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is tried again soon; a hub that never had one asks the tenant without, and is refused by it."""
    settings = _settings(tmp_path)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{endpoint.server_address[1]}/token")
    endpoint.needs = {"Metadata": "never"}
    first, never = identity.renew(settings), _said(settings)
    endpoint.needs = {}
    identity.renew(settings)
    endpoint.needs = {"Metadata": "never"}
    later = identity.renew(settings)

    assert (True, identity.AGAIN_S) == first
    assert 'set $bearer "";' in never
    assert (False, identity.AGAIN_S) == later
    assert "Bearer a.b.c" in _said(settings)
    assert "no token: HTTP Error 400" in capsys.readouterr().out


def test_a_token_file_is_read_again_when_others_have_renewed_it(tmp_path: Path) -> None:
    """Its end is in the token itself."""
    file = tmp_path / "token"
    settings, ends_s = _settings(tmp_path, "file", str(file)), int(time.time()) + 40
    tokens = [jwt.encode({"exp": ends_s + later}, "nobody checks this signature, ever") for later in (0, 9000)]
    file.write_text(tokens[0] + "\n")
    first = identity.renew(settings)
    unchanged = identity.renew(settings)
    file.write_text(tokens[1])
    second = identity.renew(settings)

    assert first[0]
    assert 15 < first[1] <= 20
    assert not unchanged[0]
    assert (True, identity.LOOK_S) == second
    assert f"Bearer {tokens[1]}" in _said(settings)
