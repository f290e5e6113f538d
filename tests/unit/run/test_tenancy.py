"""What a scenario may ask of a storage account, and how much of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.lab.bench import Chosen
from testbed.run import job, plan, tenancy
from testbed.yaml.overrides import Override

ACCOUNT = "account: mine1\nprefix: testbed-lab\nregion: here\nsize: {}\negress: {}\ntariff: 0.10 USD/GB\n"


def written(folder: Path, size: str = "1 GB", egress: str = "5 GB") -> Path:
    """Write an account's file."""
    path = folder / "mine.yaml"
    path.write_text(ACCOUNT.format(size, egress))
    return path


def test_a_plan_has_its_account_and_the_job_too(tmp_path: Path) -> None:
    """What the sandbox reads of it is what was planned; it is an input, and part of what the hub meets."""
    made = plan.make(paths.SCENARIOS / "smoke.yaml", tenant=written(tmp_path))
    job.pack(made, tmp_path)
    found = job.unpack(tmp_path)

    assert made.tenant == found.tenant
    assert "mine1" == found.tenant.account if found.tenant else False
    assert "tenant" in {one.role for one in found.manifest.inputs}
    assert "tenant" in found.manifest.met


def test_azurite_is_no_part_of_what_the_hub_meets(tmp_path: Path) -> None:
    """Results of before there were accounts can be compared with those of now."""
    job.pack(plan.make(paths.SCENARIOS / "smoke.yaml"), tmp_path)
    found = job.unpack(tmp_path)

    assert found.tenant is None
    assert "tenant" not in found.manifest.met


@pytest.mark.parametrize(
    ("size", "egress", "message"),
    [
        ("1 MB", "5 GB", "mine.yaml:4: a run stores up to "),
        ("1 GB", "10 MB", "mine.yaml:5: a run reads up to "),
    ],
)
def test_what_costs_more_than_is_allowed_is_refused(tmp_path: Path, size: str, egress: str, message: str) -> None:
    """Before anything is asked of the account."""
    with pytest.raises(InputError) as refused:
        plan.make(paths.SCENARIOS / "smoke.yaml", tenant=written(tmp_path, size, egress))

    assert message in str(refused.value)


def test_a_run_reads_each_request_and_each_upload_once(tmp_path: Path) -> None:
    """Without a cache; ten times the rate is ten times as much."""
    made = plan.make(paths.SCENARIOS / "smoke.yaml", tenant=written(tmp_path))
    more = plan.make(
        paths.SCENARIOS / "smoke.yaml", (Override.parse("traffic.lessons.rate=100/s"),), tenant=written(tmp_path)
    )
    objects = made.catalogues["lessons"].objects()
    mean = sum(o.size * o.weight for o in objects)

    use = tenancy.Use.of(made.scenario, made.catalogues)
    assert (sum(o.size for o in objects), pytest.approx(mean * 240)) == (use.stored, use.read)
    assert pytest.approx(10 * use.read) == tenancy.Use.of(more.scenario, more.catalogues).read


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ("names-of-the-lan", "dns-query, and the tenant is a storage account; leave it away, or use --tenant azurite"),
        ("tenant-outage", "tenant_errors, and nobody here can break a storage account"),
    ],
)
def test_what_only_the_labs_own_can_do_is_refused(tmp_path: Path, scenario: str, message: str) -> None:
    """A service that is Microsoft's answers no QUIC, and is not to be broken."""
    with pytest.raises(InputError) as refused:
        plan.make(plan.find_scenario(scenario), tenant=written(tmp_path))

    assert message in str(refused.value)


def test_the_way_to_the_region_is_taken_off_where_the_trace_has_it(tmp_path: Path) -> None:
    """Half of it each way, and never below nothing; the other link is as it was."""
    changes = ("uplinks.starlink.region=included",)
    made = plan.make(paths.SCENARIOS / "smoke.yaml", tuple(map(Override.parse, changes)), tenant=written(tmp_path))
    job.pack(made, tmp_path)
    found = job.unpack(tmp_path)
    near = tenancy.nearer(found, 30_000_000)

    up, was = near.schedules["starlink"].up.delay_ns, found.schedules["starlink"].up.delay_ns
    assert ((was - 15_000_000).clip(0) == up).all()
    assert (up < was).any()
    assert found.schedules["lte"] is near.schedules["lte"]
    assert 0 == tenancy.nearer(found, 10**12).schedules["starlink"].down.delay_ns.max()


def test_an_account_has_no_virtual_time(tmp_path: Path) -> None:
    """Its clock is its own."""
    with pytest.raises(InputError, match="a storage account has a clock of its own; use --tenant azurite"):
        plan.make(paths.SCENARIOS / "smoke.yaml", time="virtual", tenant=written(tmp_path))


def test_a_tenant_that_nobody_knows_is_refused() -> None:
    """By a close name, Azurite's too."""
    assert plan.find_tenant("azurite") is None
    with pytest.raises(InputError, match="no tenant 'azurit' in tenants/; did you mean 'azurite'"):
        plan.find_tenant("azurit")


def test_a_bench_and_an_account_need_nothing_else(tmp_path: Path) -> None:
    """A scenario as it is goes with both: the job has the account, and the hub is the bench's."""
    ports = "".join(f"  {port}: {{nic: nic{port}, as: {port}}}\n" for port in ("wan0", "wan1", "lan0"))
    (tmp_path / "key").write_text("a key")
    (tmp_path / "key").chmod(0o600)
    shelf = tmp_path / "shelf.yaml"
    shelf.write_text(f"ports:\n{ports}ssh: {{address: 192.168.10.1, key: key}}\n")

    made = plan.make(paths.SCENARIOS / "smoke.yaml", chosen=Chosen(shelf), tenant=written(tmp_path))
    job.pack(made, tmp_path)
    found = job.unpack(tmp_path, Chosen(shelf))

    assert made.tenant == found.tenant
    assert ("shelf", "mine1") == (found.bench and found.bench.name, found.tenant and found.tenant.account)
