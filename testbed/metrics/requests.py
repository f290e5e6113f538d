"""The requests of an http-get stream, and which of them a metric looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Evidence
from testbed.metrics.kinds import kind_of
from testbed.metrics.measurement import Ask
from testbed.metrics.throttled import unhindered

# nginx's $upstream_cache_status when the body came from the hub's store. REVALIDATED counts: the origin
# was asked for a date, not for the bytes. EXPIRED, MISS and BYPASS fetched the body.
SERVED_STALE = ("STALE", "UPDATING")
SERVED_FROM_CACHE = ("HIT", "STALE", "UPDATING", "REVALIDATED")
OK, PARTIAL, NOT_MODIFIED = 200, 206, 304


@dataclass(frozen=True, eq=False)
class Requests:
    """Requests in the order of their schedule; all arrays of one length.

    ``t_ns`` scheduled send; ``done_ns`` end of the answer (int64 maximum: none); ``object`` its name;
    ``status`` 0 where none came; ``complete`` status 200, 206 or 304, and the answer came to its end; ``whole``
    that with every byte asked for and the right hash; ``cache`` the hub's word on it (``""``: none); ``ttfb_ns`` time
    to first byte (-1: none); ``size`` bytes received; ``age_ns`` how old the content was (-1: unknown);
    ``sent_ns`` when it was really sent; ``ranged`` a part of the object was asked for; ``version`` which version of
    the object the answer was (-1: unknown).
    """

    t_ns: NDArray[np.int64]
    done_ns: NDArray[np.int64]
    object: NDArray[np.str_]
    status: NDArray[np.int64]
    complete: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    cache: NDArray[np.str_]
    ttfb_ns: NDArray[np.int64]
    size: NDArray[np.int64]
    age_ns: NDArray[np.int64]
    sent_ns: NDArray[np.int64]
    ranged: NDArray[np.bool_]
    version: NDArray[np.int64]

    @classmethod
    def of(cls, table: pa.Table) -> Requests:
        """Read the samples of an http-get stream."""
        table = table.sort_by("t_ns")
        t_ns, total_ns, size = (
            integers(table, "t_ns"),
            integers(table, "total_ns", -1),
            integers(table, "bytes"),
        )
        sent_ns = t_ns + integers(table, "started_ns_late")
        status = integers(table, "status", 0)
        complete = np.isin(status, (OK, PARTIAL, NOT_MODIFIED)) & (texts(table, "error") == "")
        right = integers(table, "sha256_ok", -1)
        whole = np.where(status == OK, (right != 0) & (size == integers(table, "size")), right == 1)

        def lately(name: str) -> NDArray[np.int64]:
            """Return a column that samples of older runs have not got; -1: unknown."""
            return integers(table, name, -1) if name in table.column_names else np.full(len(t_ns), -1)

        return cls(
            t_ns=t_ns,
            done_ns=np.where(total_ns < 0, np.iinfo(np.int64).max, sent_ns + total_ns),
            object=texts(table, "object"),
            status=status,
            complete=complete,
            whole=complete & whole,
            cache=texts(table, "cache"),
            ttfb_ns=integers(table, "ttfb_ns", -1),
            size=size,
            age_ns=lately("age_ns"),
            sent_ns=sent_ns,
            ranged=lately("first") >= 0,
            version=lately("version"),
        )

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which had a status."""
        return self.status > 0

    @property
    def cached(self) -> NDArray[np.bool_]:
        """Which bodies came from the hub's store."""
        return np.isin(self.cache, SERVED_FROM_CACHE)

    def where(self, chosen: NDArray[np.bool_]) -> Requests:
        """Return the chosen requests."""
        return Requests(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def seen_whole(self, before_ns: int) -> NDArray[np.str_]:
        """Return the objects that had arrived by then, not a part of them alone: they are in the hub's store."""
        return np.unique(self.object[self.whole & (self.status == OK) & (self.done_ns <= before_ns)])


def requests(evidence: Evidence, ask: Ask) -> Requests:
    """Return the requests of the window; with ``content: cached`` those for objects in the store.

    A request that the account itself throttled is none of them: it says nothing of the hub.
    """
    tables = [
        unhindered(t) for name, t in evidence.samples.items() if ask.of in ("", name) and kind_of(t) == "http-get"
    ]
    if not tables:
        return _NONE
    everything = Requests.of(pa.concat_tables(tables, promote_options="default"))
    chosen = ask.window.holds(everything.t_ns)
    if ask.content == "cached":
        chosen &= np.isin(everything.object, everything.seen_whole(ask.window.start_ns))
    return everything.where(chosen)


def none_reason(ask: Ask) -> str:
    """Return the sentence for a window without requests."""
    content = " for content in the cache" if ask.content == "cached" else ""
    return f"no request of {ask.of}{content} in the window"


_NONE = Requests(
    t_ns=np.zeros(0, np.int64),
    done_ns=np.zeros(0, np.int64),
    object=np.zeros(0, np.str_),
    status=np.zeros(0, np.int64),
    complete=np.zeros(0, np.bool_),
    whole=np.zeros(0, np.bool_),
    cache=np.zeros(0, np.str_),
    ttfb_ns=np.zeros(0, np.int64),
    size=np.zeros(0, np.int64),
    age_ns=np.zeros(0, np.int64),
    sent_ns=np.zeros(0, np.int64),
    ranged=np.zeros(0, np.bool_),
    version=np.zeros(0, np.int64),
)
