"""Uploads by Azure's own SDK, in blocks: ``sdk_upload_client.py`` on a client of the hub.

The plan: url, container, seed, size, block, overwrite, timeout_s, duration_ns, patient (tenant/retry_after.py),
uploads ([t_ns, name, again], ...); see ``script.py`` for how it comes. Standard output: a line of JSON after each
attempt with the upload's columns of ``samples.UPLOADS`` as they are by then; an upload's last line counts.

``upload_blob`` puts blocks and then their list. Within an attempt the SDK tries a block again by itself, three times;
an attempt that fails is repeated as a whole, after 1, 2, 4, then every 8 s, until it succeeds or the name is refused as
taken. ``again``: afterwards other bytes are uploaded under the same name, once. Where nothing may be overwritten that
has to be refused.

A line has ``stored``: the SHA-256 of each content that the tenant may rightly have. It is one, unless nobody knows
whether the second upload came to its end.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobClient, ExponentialRetry

from testbed.probes import handshake
from testbed.tenant.content import content
from testbed.tenant.retry_after import RetryAfter

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 8.0
AT_ONCE = 16
TAKEN = "refused: the name is taken"


class SdkUploadClient:
    """The uploads of one plan; the SDK blocks, so each runs in a thread."""

    def __init__(self, plan: Mapping[str, Any], threads: ThreadPoolExecutor) -> None:
        self._plan, self._threads = plan, threads

    async def upload(self, t_ns: int, name: str, again: bool) -> None:
        """Do one upload at its time, as often as it takes, and the second one of its name; print each attempt."""
        begun_ns = self._plan["at_ns"] + t_ns
        await asyncio.sleep((begun_ns - time.time_ns()) / 1e9)
        first, second = (content(self._plan["seed"], name, self._plan["size"], v) for v in (0, 1))
        row: dict[str, Any] = {
            "t_ns": t_ns,
            "started_ns_late": time.time_ns() - begun_ns,
            "object": name,
            "size": len(first),
            "sha256": _sha256(first),
            "attempts": 0,
            "throttled": 0 if self._plan["patient"] else None,
            "stored": [_sha256(first)],
        }
        first_ns, pause_s = time.monotonic_ns(), FIRST_PAUSE_S
        while not await self._attempt(name, first, row):
            print(json.dumps(row), flush=True)
            if row["error"] == TAKEN:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        row["acknowledged_ns"] = time.monotonic_ns() - first_ns
        print(json.dumps(row | ({"again": "unknown"} if again else {})), flush=True)
        if again:
            await self._again(name, second, row)

    async def _again(self, name: str, body: bytes, row: dict[str, Any]) -> None:
        """Upload other bytes under the same name; note what became of it, and what the tenant may have now."""
        # Until it has an end nobody knows whether it will: so the line says, should this be the last.
        unknown = row | {"again": "unknown", "stored": [row["sha256"], _sha256(body)]}
        print(json.dumps(unknown), flush=True)
        other: dict[str, Any] = {"attempts": 0}
        if await self._attempt(name, body, other):
            # What was not to be overwritten and was acknowledged all the same is lost: the first bytes had to stay.
            row |= {"again": "stored"} | ({"stored": [_sha256(body)]} if self._plan["overwrite"] else {})
        elif other["error"] == TAKEN:
            row |= {"again": "refused"}
        else:
            row = unknown | {"error": other["error"]}
        print(json.dumps(row), flush=True)

    async def _attempt(self, name: str, body: bytes, row: dict[str, Any]) -> bool:
        """Upload once; note status and error; return whether it was acknowledged."""
        row["attempts"] += 1
        row |= {"status": None}
        patience = RetryAfter() if self._plan["patient"] else None
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._put, name, body, patience)
        except asyncio.CancelledError:
            print(json.dumps(row | {"error": "interrupted"}), flush=True)
            raise
        except ResourceExistsError as error:
            row |= {"status": error.status_code, "error": TAKEN}
            return False
        except HttpResponseError as error:
            row |= {"status": error.status_code, "error": f"status {error.status_code}"}
            return False
        except AzureError as error:
            row["error"] = f"{type(error).__name__}: {error.message.splitlines()[0]}"
            return False
        finally:
            if patience is not None:
                row["throttled"] = row.get("throttled", 0) + patience.throttled
        row["status"] = 201
        return True

    def _put(self, name: str, body: bytes, patience: RetryAfter | None) -> None:
        block = self._plan["block"]
        with BlobClient(
            self._plan["url"],
            self._plan["container"],
            name,
            max_single_put_size=block,
            max_block_size=block,
            connection_timeout=self._plan["timeout_s"],
            read_timeout=self._plan["timeout_s"],
            retry_policy=patience or ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=3),
        ) as client:
            client.upload_blob(body, overwrite=self._plan["overwrite"])


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def run(plan: Mapping[str, Any]) -> None:
    """Do all uploads of the plan, or as many as the scenario's end or the end of standard input permits."""
    left_s = (plan["at_ns"] + plan["duration_ns"] - time.time_ns()) / 1e9
    threads = ThreadPoolExecutor(AT_ONCE)
    client = SdkUploadClient(plan, threads)
    await handshake.until_told(asyncio.gather(*(client.upload(*upload) for upload in plan["uploads"])), left_s)
    threads.shutdown(wait=False, cancel_futures=True)


def main() -> None:
    """Hear the plan and the start, run."""
    import os

    plan = handshake.plan()
    if (at_ns := handshake.start()) is not None:
        asyncio.run(run(plan | {"at_ns": at_ns}))
        os._exit(0)  # threads of uploads that the scenario's end found under way end with this process


if __name__ == "__main__":
    main()
