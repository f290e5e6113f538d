"""Importers, one a file. A format is recognised by content, never by a file's name alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbed.errors import InputError, did_you_mean
from testbed.traces.formats import (
    base,
    csv_100ms,
    dish_grpc,
    field_tables,
    flent,
    fping,
    gnettrack,
    iperf3_json,
    iperf3_text,
    iputils_ping,
    irtt,
    irtt_lines,
    lens_csv,
    named_csv,
    number_lists,
    nuttcp,
    owping,
    prefixed_ping,
    probe_tsv,
    refusals,
    ripe_atlas,
    routeros_lte,
    windows_ping,
)

# The order is the one of recognition: what is told apart by more comes first.
FORMATS: Mapping[str, base.Format] = {
    "grpc-tools-parquet": field_tables.DISH_PARQUET,
    "routeros-lte": routeros_lte.FORMAT,
    "grpc-tools-sqlite": field_tables.DISH_SQLITE,
    "dish-history": dish_grpc.HISTORY,
    "dish-status": dish_grpc.STATUS,
    "irtt": irtt.FORMAT,
    "irtt-lines": irtt_lines.FORMAT,
    "iperf3-json": iperf3_json.FORMAT,
    "ripe-atlas": ripe_atlas.FORMAT,
    "flent": flent.FORMAT,
    "prefixed-ping": prefixed_ping.FORMAT,
    "nuttcp": nuttcp.FORMAT,
    "iperf3-text": iperf3_text.FORMAT,
    "iputils-ping": iputils_ping.FORMAT,
    "windows-ping": windows_ping.FORMAT,
    "fping": fping.FORMAT,
    "owping": owping.FORMAT,
    "probe-tsv": probe_tsv.FORMAT,
    "grpc-tools-csv": field_tables.DISH_CSV,
    "lens-csv": lens_csv.FORMAT,
    "gnettrack": gnettrack.FORMAT,
    "csv-100ms": csv_100ms.FORMAT,
    "csv": named_csv.FORMAT,
    "mahimahi": number_lists.MAHIMAHI,
    "ns-delays": number_lists.NS_DELAYS,
    "leocc-delay": number_lists.LEOCC,
}


def recognise(path: Path) -> base.Format:
    """Return the importer for a file. Raises InputError that lists the formats where none fits."""
    head = base.head(path)
    refusals.check_filled(head)
    for format in FORMATS.values():
        if format.recognises(head):
            return format
    raise refusals.refusal(head, ", ".join(FORMATS))


def by_name(name: str) -> base.Format:
    """Return an importer by its name. Raises InputError with the nearest name."""
    if name not in FORMATS:
        raise InputError("--format", f"unknown format {name!r}", did_you_mean(name, FORMATS))
    return FORMATS[name]
