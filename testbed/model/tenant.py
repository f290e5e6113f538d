"""A storage account that is a test tenant: what may be done to it, and as whom."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration, Price, Size
from testbed.units import format_duration

AZURITE, ACCOUNT = "azurite", "account"
"""What a run's tenant can be: an emulator in the lab, or a storage account. See testbed.tenant.tenants."""

MARK = {"testbed": "tenant"}
"""The metadata of the container ``prefix`` that marks an account as a test tenant."""
SAS_VARIABLE = "TESTBED_TENANT_SAS"
_HOUR_NS = 3600 * 10**9
_PREFIX = re.compile(r"[a-z0-9](-?[a-z0-9]){2,39}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")


@dataclass(frozen=True)
class TenantAccount:
    """A test tenant as its YAML file describes it.

    Whatever is made in it is a container ``PREFIX-...`` with an end ``lifetime`` from now in its metadata, and holds
    no more than ``size``; others are neither listed nor touched. A run that could read more than ``egress`` from it
    is refused; ``tariff`` says what that costs. ``identity``: ``default`` is azure-identity's
    DefaultAzureCredential, ``sas`` an account's SAS in the environment (TESTBED_TENANT_SAS). ``authority`` is
    the file of a CA to trust beside the public ones, for a stand-in. ``hub_identity`` is how the hub proves itself:
    by tokens of the run's (empty), ``managed``: by its own managed identity, or by the token in a file on it.
    """

    account: str
    prefix: str
    region: str
    identity: Literal["default", "sas"] = "default"
    size: Size = 10**9
    lifetime: Duration = 6 * _HOUR_NS
    egress: Size = 5 * 10**9
    tariff: Price | None = None
    authority: str = ""
    hub_identity: str = ""
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def host(self) -> str:
        """The name of its blob service."""
        return f"{self.account}.blob.core.windows.net"

    def problems(self) -> Iterable[Problem]:
        if not _ACCOUNT.fullmatch(self.account):
            found = f"account {self.account!r}"
            yield Problem(self.place.at("account"), found, "write its name: 3 to 24 small letters and digits")
        if not _PREFIX.fullmatch(self.prefix):
            expected = "write 3 to 40 small letters, digits and single hyphens, such as testbed-lab1"
            yield Problem(self.place.at("prefix"), f"prefix {self.prefix!r}", expected)
        if not 10 * 60 * 10**9 <= self.lifetime <= 7 * 24 * _HOUR_NS:
            found = f"lifetime is {format_duration(self.lifetime)}"
            yield Problem(
                self.place.at("lifetime"), found, "write 10 min to 168 h, the most of a delegated token"
            )
        if self.authority and not self.authority.startswith("/"):
            yield Problem(self.place.at("authority"), f"authority {self.authority!r}", "write its whole path")
        if self.hub_identity not in ("", "managed") and not self.hub_identity.startswith("/"):
            expected = "write 'managed', or the whole path of a file on the hub that has a token"
            yield Problem(self.place.at("hub_identity"), f"hub_identity {self.hub_identity!r}", expected)
        if self.size <= 0:
            yield Problem(self.place.at("size"), "nothing may be stored", "write more, such as 1 GB")


@dataclass(frozen=True)
class TenantFacts:
    """A run's tenant as its result names it; ``away_ns`` is the round trip from this host to its service, None
    where nothing lies between: the links alone. ``throttled`` is how often the account told its custodian or the
    clients to wait, None where nobody can know."""

    kind: str = AZURITE
    account: str = ""
    region: str = ""
    prefix: str = ""
    away_ns: int | None = None
    throttled: int | None = None

    @classmethod
    def of(cls, account: TenantAccount | None) -> TenantFacts:
        """Return what is known of a tenant before it is asked."""
        return cls(ACCOUNT, account.account, account.region, account.prefix) if account else cls()
