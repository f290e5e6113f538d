"""The seam between a run and its Azure tenant: Azurite in a device of the lab, or a real storage account."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from testbed.lab.parts import Part
from testbed.model.catalogue import CatalogueObject
from testbed.tenant.certificates import ServerFiles
from testbed.tenant.content import StoredObject


class Access(StrEnum):
    """What a credential permits: to read the content, or to store uploads and nothing else."""

    READ = "read"
    UPLOAD = "upload"


@dataclass(frozen=True)
class Endpoint:
    """Where the tenant's blobs are: content in one container, uploads in another.

    ``authority`` is the file of the CA to trust, None for the public ones; ``identity`` is what a stand-in
    of the service proves itself with, None where nobody can stand in.
    """

    host: str
    address: str
    port: int
    container: str
    authority: Path | None
    identity: ServerFiles | None = None
    uploads: str = "uploads"

    @property
    def account(self) -> str:
        """The name of the storage account."""
        return self.host.partition(".")[0]

    @property
    def url(self) -> str:
        """The container's URL, without a slash at the end."""
        port = "" if self.port == 443 else f":{self.port}"
        return f"https://{self.host}{port}/{self.container}"


class Seeding(ABC):
    """Content on its way into the tenant."""

    @abstractmethod
    def wait(self, timeout_s: float = 120.0) -> Mapping[str, StoredObject]:
        """Return the objects by name once all are stored. Raises RunError."""


class NewContent(Seeding):
    """A new version of the content, made and ready to be stored."""

    @abstractmethod
    def go(self) -> None:
        """Begin to store it; ``wait`` returns when the tenant has all of it. Raises RunError."""

    @abstractmethod
    def close(self) -> None:
        """Give it up, if it is not stored yet."""


class Tenant(ABC):
    """An Azure tenant for one run. ``open`` and ``seed`` return at once, so that other steps overlap them."""

    @property
    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Where the blobs are; known before ``open``."""

    @abstractmethod
    def open(self) -> None:
        """Begin to start the service. Raises HostError when this host lacks what it needs."""

    @abstractmethod
    def seed(self, objects: Sequence[CatalogueObject], seed: int) -> Seeding:
        """Begin to store the objects, as soon as the service answers; ``seed`` determines their content."""

    @abstractmethod
    def revise(self, objects: Sequence[CatalogueObject], seed: int, version: int) -> NewContent:
        """Make a later version of the objects' content, and be ready to store it: each object in one piece."""

    @abstractmethod
    def credential(self, starts: datetime, expires: datetime, access: Access = Access.READ) -> str:
        """Return a SAS token that permits one access to one container and no more.

        For the hub, or to read for a client that asks the tenant itself.
        """

    @abstractmethod
    def uploaded(self) -> Mapping[str, StoredObject]:
        """Read every upload back from the service, past the hub and the links. Raises RunError."""

    @abstractmethod
    def closed(self) -> frozenset[str]:
        """Return the last ``x-ms-client-request-id`` of each connection that the service itself closed."""

    @abstractmethod
    def reset(self) -> None:
        """Remove every object and every upload. Raises RunError."""

    def parts(self) -> Iterable[Part]:
        """Return the processes of this lab that must live for the tenant to answer: of a real account none."""
        return ()

    @abstractmethod
    def close(self) -> None:
        """Stop the service and forget its secrets. May be called more than once."""
