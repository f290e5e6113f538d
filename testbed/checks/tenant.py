"""``testbed tenant check``: whether an account can be a run's tenant, tried with a little content of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from testbed.checks.check import Ability, Check
from testbed.errors import TestbedError
from testbed.model.catalogue import CatalogueObject
from testbed.model.tenant import TenantAccount
from testbed.tenant.account import AccountTenant, credential_of, service, still_kept
from testbed.tenant.backend import Access
from testbed.tenant.content import manifest
from testbed.tenant.custodian import round_trip_ns
from testbed.units import format_duration

_OBJECTS = (
    CatalogueObject("check/empty", 0, 0.5, "text/plain"),
    CatalogueObject("check/page.html", 70_000, 0.5, "text/html"),
)
_SEED = 1
_SKEW = timedelta(minutes=5)


def check_tenant(account: TenantAccount) -> Iterator[Check]:
    """Yield what an account does as it is asked what a run would ask; what is made is removed again."""
    yield (reached := _round_trip(account))
    if reached.state is not Ability.OK:
        return
    try:
        tenant = AccountTenant(account, credential_of(account), lambda: datetime.now(UTC))
    except TestbedError as error:
        yield Check("tenant", Ability.MISSING, str(error))
        return
    try:
        yield from _asked(tenant, account)
    except TestbedError as error:
        yield Check("tenant", Ability.MISSING, str(error))
    try:
        tenant.close()
        yield Check("removed", Ability.OK, "what was made is gone")
        yield _soft_delete(account)
    except TestbedError as error:
        yield Check("removed", Ability.MISSING, str(error), "testbed tenant clean, later")


def _asked(tenant: AccountTenant, account: TenantAccount) -> Iterator[Check]:
    tenant.open()
    yield Check("test tenant", Ability.OK, f"marked, by the container {account.prefix}")
    stored = tenant.seed(_OBJECTS, _SEED).wait()
    right = stored == manifest(_SEED, _OBJECTS)
    yield Check("content", Ability.OK if right else Ability.MISSING, f"{len(stored)} objects stored")
    yield from _tokens(tenant, account)


def _round_trip(account: TenantAccount) -> Check:
    """Measure connections to the service: a round trip each, by the host's own way out."""
    try:
        median = format_duration(round_trip_ns(account.host))
    except OSError as error:
        return Check("reached", Ability.MISSING, f"{account.host}: {error.strerror or error}", "see its firewall")
    return Check(
        "reached",
        Ability.OK,
        f"{account.host}, {median} away, in {account.region}",
    )


def _tokens(tenant: AccountTenant, account: TenantAccount) -> Iterator[Check]:
    """Try the hub's two tokens: each must do its one thing, and neither another."""
    now = datetime.now(UTC)
    read, upload = (tenant.credential(now - _SKEW, now + timedelta(minutes=30), a) for a in Access)
    name, uploads = tenant.endpoint.container, tenant.endpoint.uploads
    page = _OBJECTS[1].name
    if account.identity == "sas":
        yield Check(
            "tokens", Ability.LIMITED, "one SAS for all", "with identity: default each access has its own"
        )
        return
    expired = tenant.credential(now - timedelta(hours=2), now - timedelta(hours=1))
    asked: tuple[tuple[str, int, Callable[[], Any]], ...] = (
        ("read token reads", 200, lambda: _ask(account, name, read).download_blob(page).readall()),
        ("read token stores", 403, lambda: _ask(account, name, read).upload_blob("check/no", b"x")),
        ("read token lists", 403, lambda: list(_ask(account, name, read).list_blob_names())),
        ("read token reads uploads", 403, lambda: _ask(account, uploads, read).download_blob("u").readall()),
        ("upload token stores", 200, lambda: _ask(account, uploads, upload).upload_blob("u", b"x")),
        (
            "upload token stores again",
            200,
            lambda: _ask(account, uploads, upload).upload_blob("u", b"x", overwrite=True),
        ),
        ("upload token reads", 403, lambda: _ask(account, uploads, upload).download_blob("u").readall()),
        ("expired token reads", 403, lambda: _ask(account, name, expired).download_blob(page).readall()),
        ("nobody reads", 409, lambda: _ask(account, name, None).download_blob(page).readall()),
    )
    for what, status, do in asked:
        got = _status(do)
        allowed = (401, 403, 404, 409) if status == 409 else (status,)
        good = got in allowed
        yield Check(
            what,
            Ability.OK if good else Ability.MISSING,
            f"status {got}",
            "" if good else f"expected {status}",
        )
    kept = tenant.uploaded()
    good = ["u"] == list(kept)
    yield Check("uploads read back", Ability.OK if good else Ability.MISSING, f"{len(kept)} of 1")


def _soft_delete(account: TenantAccount) -> Check:
    """Say whether what is removed is kept, and paid for, for days."""
    kept = still_kept(account, service(account, credential_of(account)))
    if not kept:
        return Check("soft delete", Ability.OK, "nothing that was removed is kept")
    hint = "turn it off for containers in a test account: az storage account blob-service-properties update"
    return Check("soft delete", Ability.LIMITED, f"{len(kept)} removed containers are kept, and paid for", hint)


def _ask(account: TenantAccount, container: str, sas: str | None) -> Any:
    from azure.storage.blob import ContainerClient

    return ContainerClient(
        f"https://{account.host}",
        container,
        credential=sas,
        connection_verify=account.authority or True,
        retry_total=1,
    )


def _status(do: Callable[[], Any]) -> int:
    from azure.core.exceptions import HttpResponseError

    try:
        do()
    except HttpResponseError as error:
        return error.status_code or 0
    return 200
