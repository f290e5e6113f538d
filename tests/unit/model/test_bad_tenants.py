"""Each bad tenant stands beside the message that it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.model.tenant import TenantAccount
from testbed.tenant.account import AccountTenant, credential_of
from testbed.yaml import load

GOOD = "account: mine1\nprefix: testbed-lab\nregion: here\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "mine1",
            "My-Account",
            "t.yaml:1: account 'My-Account'; write its name: 3 to 24 small letters and digits",
        ),
        (
            "testbed-lab",
            "lab--1",
            "t.yaml:2: prefix 'lab--1'; write 3 to 40 small letters, digits and single hyphens, such as testbed-lab1",
        ),
        (
            "region: here",
            "region: here\nlifetime: 170 h",
            "t.yaml:4: lifetime is 170 h; write 10 min to 168 h, the most of a delegated token",
        ),
        (
            "region: here",
            "region: here\nkey: abc",
            "t.yaml:4: unknown key 'key' in tenant account; known: account, ",
        ),
        (
            "region: here",
            "region: here\nhub_identity: token.txt",
            "t.yaml:4: hub_identity 'token.txt'; write 'managed', or the whole path of a file on the hub that has",
        ),
        ("region: here", "region: here\nsize: 5", "t.yaml:4: size is '5'; write a size"),
    ],
)
def test_a_bad_tenant_is_refused_with_its_place(old: str, new: str, message: str) -> None:
    """Before anybody is asked anything."""
    with pytest.raises(InputError) as refused:
        load.parse(GOOD.replace(old, new), TenantAccount, "t.yaml")

    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("path", sorted(paths.TENANTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_tenant_in_the_repository_loads(path: Path) -> None:
    """Those are examples: they hold no secret."""
    assert load.read(path, TenantAccount).size > 0


def test_a_sas_that_is_not_in_the_environment_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file says that there is one."""
    monkeypatch.delenv("TESTBED_TENANT_SAS", raising=False)
    account = load.parse(f"{GOOD}identity: sas\n", TenantAccount, "t.yaml")

    with pytest.raises(
        InputError, match="t.yaml:4: identity is sas, and TESTBED_TENANT_SAS is not in the environ"
    ):
        credential_of(account)


def test_a_seam_is_kept() -> None:
    """An account can stand wherever Azurite does."""
    assert not AccountTenant.__abstractmethods__
