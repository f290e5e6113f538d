"""An account as a tenant, tried on Azurite in its place: product host name, TLS, a managed identity's tokens."""

from __future__ import annotations

import json
import os
import select
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.system.tenant.outside import Outside

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
        "token": lambda: tenant.credential(now, now + timedelta(hours=1)),
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

    checks: dict[str, Any] = {check["name"]: check for check in json.loads(done.stdout)}
    assert {} == {name: check["found"] for name, check in checks.items() if "ok" != check["state"]}
    assert 0 == done.returncode
    assert {"test tenant", "content", "read token stores", "upload token reads", "removed"} <= set(checks)
    assert before == outside.owner()
    assert "sig=" not in done.stdout + done.stderr


def test_what_is_killed_with_its_custodian_goes_when_it_is_due(outside: Outside, tmp_path: Path) -> None:
    """Its containers have their end in them; until then they stay unless all is asked for; others stay always."""
    before = outside.owner()
    assert -9 == outside.python("-c", LEAVE, str(outside.file), "seed", "both", str(tmp_path)).returncode
    left = sorted(set(outside.owner()) - set(before))
    due = json.loads(outside.testbed("tenant", "clean", str(outside.file), "--json").stdout)
    everything = json.loads(outside.testbed("tenant", "clean", str(outside.file), "--all", "--json").stdout)

    assert 2 == len(left)
    assert ([], left) == (due["removed"], sorted(due["left"]))
    assert (left, []) == (sorted(everything["removed"]), everything["left"])
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
