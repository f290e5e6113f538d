"""What kept samples are."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from testbed.metrics import METRICS
from testbed.metrics.flows import flows
from testbed.metrics.kinds import METADATA, kind_of
from testbed.metrics.measurement import Ask
from testbed.metrics.window import Window
from testbed.model import objective
from testbed.probes import samples
from testbed.probes.kinds import PROBES
from tests.unit.metrics.hand_made import S, evidence

SCHEMAS = {
    "udp-echo": samples.HEARTBEAT,
    "udp-flows": samples.NEW_FLOWS,
    "http-get": samples.REQUESTS,
    "http-put": samples.UPLOADS,
    "sdk-upload": samples.SDK_UPLOADS,
    "dns-query": samples.NAMES,
    "tcp-transfer": samples.TRANSFER,
    "https-keepalive": samples.KEEPALIVE,
    "quic": samples.QUIC,
    "udp-call": samples.CALL,
    "ipv6-source": samples.IPV6_SOURCE,
}


@pytest.mark.parametrize("kind", PROBES)
def test_a_file_of_samples_says_its_kind(kind: str, tmp_path: Path) -> None:
    """Written and read again, the samples of every traffic have its kind under a documented name."""
    table = pq.read_table(samples.write([], SCHEMAS[kind], tmp_path / "any.parquet"))

    assert kind == kind_of(table)
    assert kind.encode() == table.schema.metadata[METADATA.encode()]


@pytest.mark.parametrize("kind", PROBES)
def test_older_files_are_told_by_their_columns(kind: str) -> None:
    """Without its metadata a table is still read; new flows look as a heartbeat does, QUIC as TLS."""
    bare = SCHEMAS[kind].remove_metadata().empty_table()

    assert {"udp-flows": "udp-echo", "quic": "https-keepalive"}.get(kind, kind) == kind_of(bare)


def test_columns_do_not_speak_louder_than_the_kind() -> None:
    """Samples with a column more than their kind has are not taken for another's: a heartbeat with a cache, say."""
    table = samples.table([], samples.REQUESTS).replace_schema_metadata({METADATA: "udp-echo"})
    of_all = evidence(lessons=table)

    assert {} == flows(of_all)
    assert 0 == METRICS["hit_ratio"].measure(of_all, Ask("lessons", Window(0, 90 * S))).samples


def test_what_is_no_sample_has_no_kind() -> None:
    """A table of unknown columns is nobody's."""
    assert "" == kind_of(pa.table({"t_ns": [1]}))


def test_every_kind_that_a_metric_asks_for_is_one_of_a_probe() -> None:
    """Kinds are spelt alike in scenarios, metrics and samples."""
    asked = {kind for metric in objective.METRICS.values() for kind in metric.of}

    assert asked <= set(PROBES)
