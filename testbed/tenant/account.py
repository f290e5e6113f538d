"""A real storage account as a run's tenant: containers of the run's own, which end with it, and delegated tokens."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.errors import HostError, InputError, RunError
from testbed.model.catalogue import CatalogueObject
from testbed.model.tenant import MARK, SAS_VARIABLE, TenantAccount
from testbed.tenant.backend import Access, Endpoint, NewContent, Seeding, Tenant
from testbed.tenant.content import StoredObject, content
from testbed.tenant.delegated import container_token
from testbed.units import format_size

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, ContainerClient

    from testbed.tenant.retry_after import RetryAfter

EXPIRES = "testbed_expires"
"""The metadata of each container that was made: when anybody may remove it, ISO 8601."""
_AT_ONCE = 4
_ANSWER_S = 20
_SKEW, _SHORT = timedelta(minutes=5), timedelta(minutes=15)
_SIGNATURE = re.compile(r"(sig=)[^&\s\"']+")


class AccountTenant(Tenant):
    """Two containers of a test tenant's, one for content and one for uploads, for as long as it is open.

    ``now`` gives the time for what is signed and for the containers' end; ``credential`` is how the account is asked,
    azure-core's TokenCredential or an account's SAS.
    """

    def __init__(self, account: TenantAccount, credential: Any, now: Callable[[], datetime]) -> None:
        self._account, self._credential, self._now = account, credential, now
        name = f"{account.prefix}-{secrets.token_hex(4)}"
        self._containers = (f"{name}-content", f"{name}-uploads")
        self._patience = _patience()
        self._service = service(account, credential, self._patience)
        self._made: list[str] = []
        self._pool = ThreadPoolExecutor(1)
        authority = Path(account.authority) if account.authority else None
        self._endpoint = Endpoint(
            account.host,
            _address(account.host),
            443,
            self._containers[0],
            authority,
            uploads=self._containers[1],
        )

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    @property
    def throttled(self) -> int:
        """How often the service has said that too much is asked of it."""
        return self._patience.throttled

    def open(self) -> None:
        """Make the containers. Raises InputError for an account that is not marked as a test tenant, RunError."""
        with mapped("make containers"):
            if not is_marked(self._service, self._account):
                raise InputError(self._account.place.at("account"), *_unmarked(self._account))
            for name in self._containers:
                self._service.create_container(name, metadata=self._lease())
                self._made.append(name)

    def renew(self) -> None:
        """Put the containers' end off, by their lifetime from now: they are in use. Raises RunError."""
        with mapped("renew the containers' end"):
            for name in self._made:
                self._container(name).set_container_metadata(self._lease())

    def seed(self, objects: Sequence[CatalogueObject], seed: int) -> AccountSeeding:
        """Begin to store the objects. Raises InputError for more than the account's file allows."""
        if (size := sum(o.size for o in objects)) > self._account.size:
            found = (
                f"{format_size(size)} of content, and the tenant may hold {format_size(self._account.size)}"
            )
            raise InputError(
                self._account.place.at("size"), found, "allow more, or choose a smaller catalogue"
            )
        return AccountSeeding(self._pool.submit(self._store, objects, seed, 0))

    def revise(self, objects: Sequence[CatalogueObject], seed: int, version: int) -> AccountNewContent:
        return AccountNewContent(lambda: self._pool.submit(self._store, objects, seed, version))

    def credential(self, starts: datetime, expires: datetime, access: Access = Access.READ) -> str:
        if isinstance(self._credential, str):  # a SAS cannot make another one
            return self._credential
        upload = access is Access.UPLOAD
        now = self._now()
        with mapped("delegate a token"):  # a key must end in the future, whatever is signed with it
            key = self._service.get_user_delegation_key(now - _SKEW, max(expires, now + _SHORT))
        name = self._containers[upload]
        return container_token(self._account.account, name, key, "cw" if upload else "r", starts, expires)

    def uploaded(self) -> Mapping[str, StoredObject]:
        with mapped("read the uploads"):
            container = self._container(self._containers[1])
            names = list(container.list_blob_names())
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                data = pool.map(lambda name: container.download_blob(name).readall(), names)
                return {name: _described(name, body) for name, body in zip(names, data, strict=True)}

    def closed(self) -> frozenset[str]:
        """Nothing: a real service does not say whose connections it closes."""
        return frozenset()

    def reset(self) -> None:
        with mapped("remove the blobs"), ThreadPoolExecutor(_AT_ONCE) as pool:
            for name in self._made:
                container = self._container(name)
                list(pool.map(container.delete_blob, container.list_blob_names()))

    def close(self) -> None:
        """Remove the containers. Raises RunError; `testbed tenant clean` then removes them at their end."""
        self._pool.shutdown(cancel_futures=True)
        with mapped("remove the containers"):
            while self._made:
                self._service.delete_container(self._made[-1])
                self._made.pop()

    def _lease(self) -> dict[str, str]:
        expires = self._now() + timedelta(microseconds=self._account.lifetime // 1000)
        return {EXPIRES: expires.isoformat(timespec="seconds")}

    def _container(self, name: str) -> ContainerClient:
        return self._service.get_container_client(name)

    def _store(self, objects: Sequence[CatalogueObject], seed: int, version: int) -> Mapping[str, StoredObject]:
        from azure.storage.blob import ContentSettings

        container = self._container(self._containers[0])

        def store(item: CatalogueObject) -> StoredObject:
            data = content(seed, item.name, item.size, version)
            settings = ContentSettings(content_type=item.content_type)
            container.upload_blob(item.name, data, overwrite=True, content_settings=settings)
            return _described(item.name, data)

        with mapped("store the content"), ThreadPoolExecutor(_AT_ONCE) as pool:
            return {stored.name: stored for stored in pool.map(store, sorted(objects, key=lambda o: -o.size))}


class AccountSeeding(Seeding):
    """Content on its way into the account."""

    def __init__(self, storing: Future[Mapping[str, StoredObject]]) -> None:
        self._storing = storing

    def wait(self, timeout_s: float = 120.0) -> Mapping[str, StoredObject]:
        try:
            return self._storing.result(timeout_s)
        except TimeoutError as late:
            raise RunError(f"tenant: the content is not stored after {timeout_s:g} s") from late


class AccountNewContent(NewContent):
    """A later version of the content, which is made as it is stored."""

    def __init__(self, store: Callable[[], Future[Mapping[str, StoredObject]]]) -> None:
        self._store = store
        self._seeding: AccountSeeding | None = None

    def go(self) -> None:
        self._seeding = AccountSeeding(self._store())

    def wait(self, timeout_s: float = 120.0) -> Mapping[str, StoredObject]:
        if self._seeding is None:
            raise RunError("tenant: the new content was not told to go")
        return self._seeding.wait(timeout_s)

    def close(self) -> None:
        """Nothing is there before it is stored."""


def credential_of(account: TenantAccount) -> Any:
    """Return how an account is asked, as its file says. Raises InputError where the environment lacks it."""
    if account.identity == "sas":
        if not (sas := os.environ.get(SAS_VARIABLE, "")):
            found = f"identity is sas, and {SAS_VARIABLE} is not in the environment"
            raise InputError(account.place.at("identity"), found, "put the account's SAS token there")
        return sas.lstrip("?")
    from azure.identity import DefaultAzureCredential

    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)  # what was tried is in the error, once
    return DefaultAzureCredential()


def service(
    account: TenantAccount, credential: Any, patience: RetryAfter | None = None
) -> BlobServiceClient:
    """Return the account's client, which waits as long as a throttling service says."""
    from azure.storage.blob import BlobServiceClient

    return BlobServiceClient(
        f"https://{account.host}",
        credential=credential,
        connection_verify=account.authority or True,
        connection_timeout=_ANSWER_S,
        read_timeout=_ANSWER_S,
        retry_policy=patience or _patience(),
    )


def _patience() -> RetryAfter:
    from testbed.tenant.retry_after import RetryAfter

    return RetryAfter()


def is_marked(client: BlobServiceClient, account: TenantAccount) -> bool:
    """Return whether the account says of itself that it is a test tenant."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        metadata = client.get_container_client(account.prefix).get_container_properties().metadata
    except ResourceNotFoundError:
        return False
    return all(metadata.get(key) == value for key, value in MARK.items())


def clean(
    account: TenantAccount, client: BlobServiceClient, now: datetime, everything: bool = False
) -> Iterator[tuple[str, bool]]:
    """Remove the containers of runs that have ended without; yield each of the prefix, and whether it was removed.

    Those whose time has come, or ``everything`` that the testbed made. One without such a time was made
    by somebody else and is left out. Raises InputError for an account that is not marked, RunError.
    """
    with mapped("list the containers"):
        if not is_marked(client, account):
            raise InputError(account.place.at("account"), *_unmarked(account))
        listed = list(client.list_containers(name_starts_with=f"{account.prefix}-", include_metadata=True))
    for found in listed:
        expires = _time((found.metadata or {}).get(EXPIRES, ""))
        if expires is None:
            continue
        due = everything or expires <= now
        if due:
            with mapped(f"remove {found.name}"):
                client.delete_container(found.name)
        yield str(found.name), due


def still_kept(account: TenantAccount, client: BlobServiceClient) -> list[str]:
    """Return the names of removed containers that the account keeps for a time (soft delete): nobody can list or read
    them, and they are paid for until then. Raises RunError."""
    with mapped("list removed containers"):
        listed = client.list_containers(name_starts_with=f"{account.prefix}-", include_deleted=True)
        return sorted({str(found.name) for found in listed if found.deleted})


@contextmanager
def mapped(what: str) -> Iterator[None]:
    """Turn what Azure's libraries raise into RunError, without a signature. An identity that is none is HostError."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    try:
        yield
    except ClientAuthenticationError as error:
        advice = "log in (az login), or see docs/tenant.md for what an identity may be"
        raise HostError(f"tenant: could not {what}: {_first(error)}; {advice}") from None
    except AzureError as error:
        raise RunError(f"tenant: could not {what}: {_first(error)}") from None


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _SIGNATURE.sub(r"\1***", lines[0])[:300]


def _unmarked(account: TenantAccount) -> tuple[str, str]:
    mark = ", ".join(f"{key}={value}" for key, value in MARK.items())
    found = (
        f"account {account.account} is not marked as a test tenant: no container {account.prefix} with {mark}"
    )
    return found, (
        f"mark it: az storage container create --auth-mode login --account-name {account.account} "
        f"--name {account.prefix} --metadata testbed=tenant"
    )


def _time(text: str) -> datetime | None:
    with suppress(ValueError):
        when = datetime.fromisoformat(text)
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    return None


def _address(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host, 443, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise HostError(f"tenant: {host} has no address: {error.strerror or error}") from error


def _described(name: str, data: bytes) -> StoredObject:
    return StoredObject(name, len(data), hashlib.sha256(data).hexdigest())
