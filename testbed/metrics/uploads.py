"""uploads_durable, uploads_acknowledged, upload_p95: whether what a hub's users stored is there, and how soon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.throttled import hindered
from testbed.metrics.ttfb import percentile
from testbed.model.objective import Unit

NAMED = 10  # so many lost uploads are listed in the details


@dataclass(frozen=True, eq=False)
class UploadLog:
    """Uploads in the order of their schedule; all arrays of one length.

    ``begun_ns`` start of the first attempt, ``took_ns`` from it until the acknowledgement (-1: none came),
    ``durable`` 1 the tenant has it bit for bit, 0 it has not, -1 not read back; ``hindered`` by an account that
    throttled.
    """

    begun_ns: NDArray[np.int64]
    took_ns: NDArray[np.int64]
    durable: NDArray[np.int64]
    object: NDArray[np.str_]
    hindered: NDArray[np.bool_]

    @property
    def acknowledged(self) -> NDArray[np.bool_]:
        return self.took_ns >= 0


def uploads(evidence: Evidence, ask: Ask) -> UploadLog:
    """Return the uploads of an http-put stream that were scheduled in the window."""
    table = evidence.samples.get(ask.of)
    if table is None:
        none = np.zeros(0, np.int64)
        return UploadLog(none, none, none, np.zeros(0, np.str_), np.zeros(0, np.bool_))
    table = table.sort_by("t_ns")
    t_ns = integers(table, "t_ns")
    inside = ask.window.holds(t_ns)
    return UploadLog(
        begun_ns=(t_ns + integers(table, "started_ns_late"))[inside],
        took_ns=integers(table, "acknowledged_ns", -1)[inside],
        durable=integers(table, "durable", -1)[inside],
        object=texts(table, "object")[inside],
        hindered=hindered(table)[inside],
    )


def _timely(evidence: Evidence, ask: Ask) -> UploadLog:
    """Return the uploads of which the time tells of the hub: not those that the account itself throttled."""
    log = uploads(evidence, ask)
    return UploadLog(*(getattr(log, name)[~log.hindered] for name in log.__dataclass_fields__))


def _none_reason(ask: Ask) -> str:
    return f"no upload of {ask.of} in the window"


def _durable(evidence: Evidence, ask: Ask) -> Measurement:
    """Return acknowledged uploads that the tenant has bit for bit / acknowledged uploads."""
    asked = uploads(evidence, ask)
    acknowledged = int(asked.acknowledged.sum())
    if acknowledged == 0:
        reason = f"no upload of {ask.of} was acknowledged" if len(asked.took_ns) else _none_reason(ask)
        return DURABLE.answer(None, 0, reason=reason)
    unread = int(np.sum(asked.acknowledged & (asked.durable < 0)))
    lost = asked.object[asked.acknowledged & (asked.durable == 0)]
    return DURABLE.answer(
        float(np.mean(asked.durable[asked.acknowledged] == 1)),
        acknowledged,
        reason=f"{unread} acknowledged uploads were not read back" if unread else "",
        details={"acknowledged": acknowledged, "lost": [str(name) for name in lost[:NAMED]]},
    )


def _acknowledged(evidence: Evidence, ask: Ask) -> Measurement:
    """Return uploads acknowledged by the scenario's end / uploads begun."""
    asked = _timely(evidence, ask)
    if len(asked.took_ns) == 0:
        return ACKNOWLEDGED.answer(None, 0, reason=_none_reason(ask))
    missing = [str(name) for name in asked.object[~asked.acknowledged][:NAMED]]
    share = float(asked.acknowledged.mean())
    return ACKNOWLEDGED.answer(share, len(asked.took_ns), details={"not_acknowledged": missing})


def _p95(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the 95th percentile of first attempt -> acknowledgement; those that never came are the slowest.

    Where the percentile itself is one of those, its wait until the run's end is a lower bound.
    """
    asked = _timely(evidence, ask)
    if len(asked.took_ns) == 0:
        return P95.answer(None, 0, reason=_none_reason(ask))
    never = np.iinfo(np.int64).max
    value = percentile(np.where(asked.acknowledged, asked.took_ns, never), 95)
    waited = np.where(asked.acknowledged, asked.took_ns, evidence.facts.duration_ns - asked.begun_ns)
    details = {"never_acknowledged": int(np.sum(~asked.acknowledged)), "longest_ns": int(waited.max())}
    if value < never:
        return P95.answer(value, len(waited), details=details)
    return P95.answer(percentile(waited, 95), len(waited), lower_bound=True, details=details)


DURABLE = Metric(Unit.SHARE, "acknowledged uploads", 10, _durable)
ACKNOWLEDGED = Metric(Unit.SHARE, "uploads", 10, _acknowledged)
P95 = Metric(Unit.DURATION, "uploads", 40, _p95)
