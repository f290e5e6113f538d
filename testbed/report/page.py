"""A page of one file: HTML that needs nothing from outside and lets nothing in."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from testbed.report.assets import HERE, Uplot


def render(
    template: str, values: Mapping[str, Any], data: Mapping[str, Any] | None = None, plot: Uplot | None = None
) -> str:
    """Fill a template; ``data`` is what the page's own script reads, ``plot`` what it draws with.

    Everything is escaped. The content security policy lets run what is in the page, by its hash, and nothing else:
    no request leaves, whatever a log or a title says.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE / "page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    own = (HERE / "page" / "report.css").read_text()
    styles = [plot.style, own] if plot else [own]
    scripts = [
        (HERE / "page" / name).read_text() for name in (("timeline.js", "logs.js") if plot else ("logs.js",))
    ]
    if plot:
        scripts.insert(0, plot.script)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(scripts)}",
            f"style-src {_hashes(styles)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return environment.get_template(template).render(
        **values,
        policy=policy,
        styles=[Markup(text) for text in styles],  # noqa: S704
        scripts=[Markup(text) for text in scripts],  # noqa: S704
        data=Markup(_embedded(data)) if data is not None else None,  # noqa: S704
        plot=plot,
    )


def _hashes(parts: Sequence[str]) -> str:
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'" for part in parts
    )


def _embedded(data: Mapping[str, Any]) -> str:
    """Return JSON that no HTML parser takes for the end of its element."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def save(text: str, path: Path) -> Path:
    """Write a page, whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return path
