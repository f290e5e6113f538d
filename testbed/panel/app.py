"""The panel's REST interface and its one page, in front of a lab's control socket. OpenAPI at /openapi.json."""

from __future__ import annotations

import hmac
import json
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import yaml
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from jinja2 import Environment, FileSystemLoader, select_autoescape
from pydantic import BaseModel, Field
from starlette.middleware.trustedhost import TrustedHostMiddleware

from testbed.errors import HostError, InputError, TestbedError
from testbed.report.assets import uplot
from testbed.run.job import FOLDER
from testbed.standing import saved
from testbed.standing.client import LabClient
from testbed.standing.protocol import Values
from testbed.standing.registry import StandingLab

PAGE = Path(__file__).parent / "page"
COOKIE = "testbed-panel"
HOSTS = ["127.0.0.1", "localhost", "panel"]
"""The names under which a browser may call it: a page of somebody else's that has its own name point here may not."""
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
"""The page's program is in it; nothing is fetched but what the panel answers."""


class LinkChange(BaseModel):
    """A change of a link, as ``testbed lab set`` takes it."""

    values: str = Field(examples=["loss 5% delay 100ms for 30s", "schedule"])
    direction: Literal["both", "up", "down"] = "both"


class LinkOutage(BaseModel):
    """An interruption of a link, as ``testbed lab outage`` takes it."""

    duration: str = Field(examples=["10s"])
    hold: bool = Field(False, description="packets wait instead of being dropped")
    direction: Literal["both", "up", "down"] = "both"


class Touched(BaseModel):
    """What was done: at which time since the lab's start in ns, and until when (null: until the next change)."""

    did: str
    t_ns: int
    until_ns: int | None


class EventsToPlay(BaseModel):
    """Events of a YAML text, as ``testbed lab play`` takes a file; their times count from now."""

    text: str = Field(examples=["events:\n  - {at: 0 s, uplink: starlink, outage: 8 s}"])
    file: str = Field("events", description="its name in messages")


class EventToCome(BaseModel):
    """An event that will be played, at a time since the lab's start in ns."""

    at_ns: int
    what: str


class EventsToCome(BaseModel):
    """What is played, since when and until when, in ns since the lab's start."""

    t_ns: int
    until_ns: int
    events: list[EventToCome]


class TimeToJudge(BaseModel):
    """Over how long ``testbed lab check`` looks back."""

    last: str = Field("", examples=["60s"], description="empty: since the lab is up")


class CheckedObjective(BaseModel):
    """An objective, what was measured, and the word on it: holds, broken, unclear or invalid."""

    title: str
    value: str
    bound: str
    word: str
    reason: str


class LabChecked(BaseModel):
    """What a check found in its window (ns since the lab's start), and the folder of its evidence."""

    folder: str
    window_ns: tuple[int, int]
    objectives: list[CheckedObjective]
    by_hand: list[str]


class SavedScenario(BaseModel):
    """What was done by hand, as a scenario that ``testbed run`` takes, and what could not be told in it."""

    file: str
    text: str
    notes: list[str]


def make(entry: StandingLab, token: str) -> FastAPI:
    """Return the panel of a lab. Who shows the ``token`` once, as ``?token=`` or as a bearer, may use it.

    Raises HostError where uPlot is not installed.
    """
    uplot()
    app = FastAPI(title=f"testbed: lab {entry.name}", docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def guard(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        shown = request.cookies.get(COOKIE) or request.headers.get("Authorization", "").removeprefix("Bearer ")
        if given := request.query_params.get("token"):  # out of the address line, and so of the history
            if hmac.compare_digest(given.encode(), token.encode()):
                answer: Response = RedirectResponse(request.url.path, status_code=303)
                answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
                return answer
        elif hmac.compare_digest(shown.encode(), token.encode()):
            answer = await go_on(request)
            answer.headers["Content-Security-Policy"] = _POLICY
            answer.headers["Cache-Control"] = "no-store"
            return answer
        return JSONResponse({"error": "open the address that 'testbed lab panel' printed"}, status_code=401)

    @app.exception_handler(TestbedError)
    async def refuse(_: Request, error: TestbedError) -> JSONResponse:
        status = 422 if isinstance(error, InputError) else 410 if isinstance(error, HostError) else 409
        return JSONResponse({"error": str(error)}, status_code=status)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def index() -> str:
        return _page(entry)

    @app.get("/api/state")
    def state() -> dict[str, Any]:
        """What stands, since when, what its links do, and what was done by hand (docs/lab.md)."""
        return _ask(entry, "state")

    @app.post("/api/links/{link}/set")
    def change(link: str, change: LinkChange) -> Touched:
        """Change a link; with ``for`` in the values the engine takes it back by itself."""
        return Touched(**_ask(entry, "set", link=link, **change.model_dump()))

    @app.post("/api/links/{link}/outage")
    def outage(link: str, outage: LinkOutage) -> Touched:
        """Interrupt a link for a time."""
        return Touched(**_ask(entry, "outage", link=link, **outage.model_dump()))

    @app.post("/api/play")
    def play(events: EventsToPlay) -> EventsToCome:
        """Play events from now on; all of them are checked first."""
        return EventsToCome(**_ask(entry, "play", **events.model_dump()))

    @app.post("/api/check")
    def check(time: TimeToJudge) -> LabChecked:
        """Judge the objectives from the samples so far, and keep the evidence."""
        return LabChecked(**_ask(entry, "check", **time.model_dump()))

    @app.post("/api/save")
    def save() -> SavedScenario:
        """Give what was done by hand as a scenario."""
        found = _ask(entry, "save")
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"{entry.name}.yaml"
            notes = saved.save(file, Path(found["scenario"]), entry.name, found["events"], found["lasted_ns"])
            text = file.read_text(encoding="utf-8")
        return SavedScenario(file=file.name, text=text, notes=[*dict.fromkeys([*found["notes"], *notes])])

    @app.get("/api/stream", response_class=StreamingResponse)
    def stream() -> StreamingResponse:
        """Ten samples a second as server-sent events, each the JSON of docs/lab.md, until the lab ends."""
        lab = LabClient(entry)
        samples = lab.watch()
        try:
            first = next(samples, None)  # what it is refused with is raised before the answer begins
        except TestbedError:
            lab.__exit__()
            raise
        return StreamingResponse(_events_of(lab, first, samples), media_type="text/event-stream")

    app.add_middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)
    return app


def _ask(entry: StandingLab, what: str, **arguments: Any) -> dict[str, Any]:
    with LabClient(entry) as lab:
        return dict(lab.ask(what, **arguments))


def _events_of(lab: LabClient, first: Values | None, samples: Iterator[Values]) -> Iterator[str]:
    with lab:
        for sample in chain([first] if first else [], samples):
            yield f"data: {json.dumps(sample)}\n\n"
        yield "event: end\ndata: {}\n\n"


def _page(entry: StandingLab) -> str:
    """Return the page, with all that it needs in it."""
    templates = Environment(loader=FileSystemLoader(PAGE), autoescape=select_autoescape(), trim_blocks=True)
    parts = {name: (PAGE / f"panel.{name}").read_text(encoding="utf-8") for name in ("css", "js")}
    return templates.get_template("panel.html").render(lab=entry, uplot=uplot(), events=_events(entry), **parts)


def _events(entry: StandingLab) -> str:
    """Return the events of what a lab was made of, as a text to play; of a topology an example of them."""
    path = Path(entry.folder) / FOLDER / "scenario.yaml"
    if not path.exists():  # it has not come so far
        return ""
    scenario = yaml.safe_load(path.read_text(encoding="utf-8"))
    events = scenario.get("events") or [{"at": "0 s", "uplink": next(iter(scenario["uplinks"])), "outage": "8 s"}]
    lines = (yaml.safe_dump(event, default_flow_style=True, sort_keys=False, width=1000) for event in events)
    return "events:\n" + "".join(f"  - {line}" for line in lines)
