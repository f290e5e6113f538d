"""What an upload of the SDK leaves behind rightly, and what it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.model.traffic import SdkUpload
from testbed.probes.demand import times
from testbed.probes.uploads import SdkUploads
from testbed.tenant.content import StoredObject

TRAFFIC = SdkUpload(kind="sdk-upload", from_="client", size=1000, rate=5.0, again=0.5, overwrite=False, name="records")


def probe(**kept: str) -> SdkUploads:
    """The probe of a run whose tenant has these SHA-256, by name."""
    site: Any = type("Site", (), {"seed": 7, "duration_ns": 20 * 10**9, "logs": Path("logs"), "client": None})
    site.patient = False
    site.upload_url = "http://192.168.10.1/uploads"
    site.uploaded = lambda: {name: StoredObject(name, 1000, sha256) for name, sha256 in kept.items()}
    return SdkUploads(TRAFFIC, site)


@pytest.mark.parametrize(
    ("rightly", "kept", "durable"),
    [
        (["first"], {"a": "first"}, True),
        (["first"], {"a": "second"}, False),
        (["second"], {"a": "first"}, False),
        (["first", "second"], {"a": "second"}, True),
        (["first", "second"], {"a": "half"}, False),
        (["first"], {}, False),
    ],
    ids=["kept", "overwritten", "the second is lost", "nobody knows", "mixed", "gone"],
)
def test_what_is_stored_is_compared_with_what_may_rightly_be(
    rightly: list[str], kept: dict[str, str], durable: bool
) -> None:
    """One content, or either where nobody knows whether the second upload came to its end."""
    row = {"object": "a", "sha256": "first", "acknowledged_ns": 1, "stored": rightly}

    assert [durable] == [r["durable"] for r in probe(**kept).checked([row])]


def test_what_was_not_acknowledged_is_not_compared() -> None:
    """Nothing was promised."""
    promised = {"object": "a", "sha256": "first", "acknowledged_ns": 1, "stored": ["first"]}
    other = {"object": "b", "sha256": "other", "acknowledged_ns": None, "stored": ["other"]}

    assert [True, None] == [r.get("durable") for r in probe(a="first").checked([promised, other])]


def test_half_of_the_uploads_are_followed_by_another_of_their_name() -> None:
    """Times and names are those of any uploads; where to is told in the SDK's words."""
    plan = probe()._asked(TRAFFIC, probe()._site)

    assert ("http://192.168.10.1", "uploads", False) == (plan["url"], plan["container"], plan["overwrite"])
    assert list(times("7/records", 5, 20 * 10**9)) == [upload[0] for upload in plan["uploads"]]
    assert 0.3 < sum(upload[2] for upload in plan["uploads"]) / len(plan["uploads"]) < 0.7
