"""``testbed tenant``: look after storage accounts that are test tenants."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from testbed import paths
from testbed.checks.tenant import check_tenant
from testbed.cli import doctor
from testbed.cli import options as cli_options
from testbed.errors import InputError
from testbed.lab import way_out
from testbed.model.tenant import TenantAccount
from testbed.run import plan
from testbed.tenant import account as accounts
from testbed.yaml import load

_EXAMPLES = """\
examples:
  testbed tenant check tenants/mine.yaml     is it a test tenant, can content come and go, what do the tokens permit
  testbed tenant clean tenants/mine.yaml     remove what killed runs have left, and is due
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed tenant``."""
    tenant = commands.add_parser(
        "tenant",
        help="look after storage accounts that are test tenants",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = tenant.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="whether an account can be a run's tenant: marked, reached, content, tokens",
        description="Ask an account for what a run would, with 70 kB of content in two containers of its own, "
        "which are removed again. Exit status 3 where something of it cannot be had.",
    )
    _file(check)
    check.set_defaults(func=_check)
    clean = actions.add_parser(
        "clean",
        help="remove what killed runs have left in an account",
        description="Remove the containers PREFIX-... that the testbed made and whose time has come. Others are "
        "neither listed nor touched; an account that is not marked as a test tenant is refused. What "
        "killed runs have left on this host of their way out is taken back.",
    )
    _file(clean)
    clean.add_argument("--all", action="store_true", help="also those of runs that may still go on")
    clean.set_defaults(func=_clean)


def _file(parser: argparse.ArgumentParser) -> None:
    argument = parser.add_argument(
        "tenant", metavar="FILE", help="a tenant's file, or the name of one in tenants/"
    )
    cli_options.completed(argument, lambda: plan.names(paths.TENANTS))
    parser.add_argument("--json", action="store_true", help="print JSON")


def _read(name: str) -> TenantAccount:
    if (path := plan.find_tenant(name)) is None:
        raise InputError("", f"{name} is no storage account: it ends with each run", "name a file of tenants/")
    return load.read(path, TenantAccount)


def _check(options: argparse.Namespace) -> int:
    found = list(check_tenant(_read(options.tenant)))
    return doctor.show(found, options.json, "the account can be a tenant", "no run can use the account")


def _clean(options: argparse.Namespace) -> int:
    account = _read(options.tenant)
    client = accounts.service(account, accounts.credential_of(account))
    done = dict(accounts.clean(account, client, datetime.now(UTC), options.all))
    kept = accounts.still_kept(account, client)
    way_out.sweep()
    if options.json:
        removed, left = ([name for name, gone in done.items() if gone is way] for way in (True, False))
        print(json.dumps({"removed": removed, "left": left, "kept": kept}))
        return 0
    for name, gone in done.items():
        print(f"{'removed' if gone else 'left, its run may go on'}: {name}")
    if not done:
        print(f"nothing of the testbed's in {account.account} below {account.prefix}-")
    if kept:
        print(f"removed, and kept by the account's soft delete until its days are over: {len(kept)} containers")
    return 0
