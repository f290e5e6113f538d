"""An account as a tenant, tried on Azurite in its place: product host name, TLS, a managed identity's tokens."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from testbed.tenant.content import manifest
from tests.system.tenant.outside import Outside
from tests.system.tenant.running import OBJECTS

LEAVE = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from testbed.model.catalogue import CatalogueObject
from testbed.tenant.custodian import keeping
from testbed.tenant.held import Custodian, HeldTenant
file, last, whom = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
folder = Path(sys.argv[4])
now = datetime.now(UTC)
with keeping(file, folder / "tenant.log") as fd:
    tenant = HeldTenant(Custodian(fd), folder, folder)
    objects = [CatalogueObject(f"o/{n}", 500_000, 0.1, "text/plain") for n in range(10)]
    steps = {
        "open": tenant.open,
        "seed": lambda: tenant.seed(objects, 1),
        "stored": lambda: tenant.seed(objects, 1).wait(),
        "token": lambda: tenant.credential(now, now + timedelta(hours=1)),
        "read back": tenant.uploaded,
    }
    for name, do in steps.items():
        do()
        if name == last:
            keeper = int(Path(f"/proc/self/task/{os.getpid()}/children").read_text())
            print(keeper, flush=True)
            if whom == "both":
                os.kill(keeper, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_account_does_what_a_run_asks_of_a_tenant(outside: Outside) -> None:
    """DefaultAzureCredential, content, two tokens that each do their one thing; and nothing of it is left."""
    before = outside.owner()

    done = outside.testbed("tenant", "check", str(outside.file), "--json")

    assert done.stdout, done.stderr
    checks: dict[str, Any] = {check["name"]: check for check in json.loads(done.stdout)}
    assert {} == {name: check["found"] for name, check in checks.items() if "ok" != check["state"]}
    assert 0 == done.returncode
    assert {"test tenant", "content", "read token stores", "upload token reads", "removed"} <= set(checks)
    assert before == outside.owner()
    assert "sig=" not in done.stdout + done.stderr


@pytest.mark.parametrize("step", ["open", "seed", "stored", "token", "read back"])
def test_what_is_killed_with_its_custodian_goes_when_it_is_due(outside: Outside, tmp_path: Path, step: str) -> None:
    """Its containers have their end in them; until then they stay unless all is asked for; others stay always."""
    before = outside.owner()
    assert -9 == outside.python("-c", LEAVE, str(outside.file), step, "both", str(tmp_path)).returncode
    left = sorted(set(outside.owner()) - set(before))
    due = json.loads(outside.testbed("tenant", "clean", str(outside.file), "--json").stdout)
    everything = json.loads(outside.testbed("tenant", "clean", str(outside.file), "--all", "--json").stdout)

    assert 2 == len(left)
    assert ([], left) == (due["removed"], sorted(due["left"]))
    assert (left, []) == (sorted(everything["removed"]), everything["left"])
    assert before == outside.owner()


def test_a_custodian_that_is_killed_as_it_removes_leaves_what_clean_finds(outside: Outside, tmp_path: Path) -> None:
    """One container is gone and the service is busy with the other: that one goes by its end."""
    before = outside.owner()
    with outside.does(busy={"method": "DELETE", "path": "-content?", "times": 1000, "after": 1}) as refusals:
        killed = outside.python("-c", LEAVE, str(outside.file), "stored", "run", str(tmp_path))
        while not refusals():
            time.sleep(0.05)
        os.kill(int(killed.stdout), signal.SIGKILL)
    left = sorted(set(outside.owner()) - set(before))
    cleaned = json.loads(outside.testbed("tenant", "clean", str(outside.file), "--all", "--json").stdout)

    assert [True] == [name.endswith("-content") for name in left]
    assert left == cleaned["removed"]
    assert before == outside.owner()


def test_a_busy_account_is_waited_for(outside: Outside, tmp_path: Path) -> None:
    """Content is stored and removed as the service says when; how often it said so is known."""
    before = outside.owner()
    with outside.does(busy={"method": "PUT", "path": "-content/", "times": 3, "after": 1}) as refusals:
        with outside.kept(tmp_path) as held:
            held.open()
            stored = held.seed(OBJECTS, 7).wait()
            throttled = held._custodian.throttled()
        assert 3 == len(refusals())

    assert manifest(7, OBJECTS) == stored
    assert 3 == throttled
    assert before == outside.owner()


def test_what_is_in_use_is_renewed(outside: Outside, tmp_path: Path) -> None:
    """Whoever cleans up as something still runs finds an end that lies ahead."""
    with outside.kept(tmp_path) as held:
        held.open()
        names = (held.endpoint.container, held.endpoint.uploads)
        made = outside.described()
        while (renewed := outside.described()) and any(made[n] == renewed[n] for n in names):
            held._custodian.ask("renew")  # ends are written to a second

    assert all(made[name].keys() == renewed[name].keys() for name in names)
    assert all(made[name]["testbed_expires"] < renewed[name]["testbed_expires"] for name in names)


def test_with_soft_delete_nothing_is_listed_and_what_is_kept_is_said(outside: Outside, tmp_path: Path) -> None:
    """Nobody can list what was removed; that it is kept, and paid for, is said by clean."""
    before = outside.owner()
    with outside.does(soft_delete=True):
        assert -9 == outside.python("-c", LEAVE, str(outside.file), "open", "both", str(tmp_path)).returncode
        cleaned = json.loads(outside.testbed("tenant", "clean", str(outside.file), "--all", "--json").stdout)
        again = outside.testbed("tenant", "clean", str(outside.file), "--all").stdout
        listed = outside.owner()

    assert before == listed
    assert sorted(cleaned["removed"]) == cleaned["kept"]
    assert "nothing of the testbed's" in again
    assert "kept by the account's soft delete" in again
    assert "2 containers" in again


def test_an_identity_that_has_expired_is_told(outside: Outside) -> None:
    """The service refuses it, and what is said is to log in; nothing is made."""
    before = outside.owner()
    with outside.tokens_last(-60):
        cleaned = outside.testbed("tenant", "clean", str(outside.file))

    assert 3 == cleaned.returncode
    assert "log in (az login)" in cleaned.stderr
    assert before == outside.owner()


def test_the_custodian_of_a_killed_run_removes_what_it_has(outside: Outside, tmp_path: Path) -> None:
    """Whoever kills a run need not clean after it: its custodian does, content on its way or not."""
    before = outside.owner()
    killed = outside.python("-c", LEAVE, str(outside.file), "seed", "run", str(tmp_path))
    with suppress(ProcessLookupError):  # it is done already
        fd = os.pidfd_open(int(killed.stdout))
        assert select.select([fd], [], [], 60)[0]
        os.close(fd)

    assert -9 == killed.returncode
    assert before == outside.owner()


def test_an_account_that_nobody_has_marked_is_refused(outside: Outside) -> None:
    """Nothing is made in it, nothing is removed, and the message says how to mark it."""
    other = outside.file.with_name("other.yaml")
    other.write_text(outside.file.read_text().replace("testbed-lab", "production"))
    before = outside.owner()

    cleaned = outside.testbed("tenant", "clean", str(other))

    assert 2 == cleaned.returncode
    assert "other.yaml:1: account" in cleaned.stderr
    assert "is not marked as a test tenant" in cleaned.stderr
    assert "--metadata testbed=tenant" in cleaned.stderr
    assert before == outside.owner()
