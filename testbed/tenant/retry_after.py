"""How Azure's SDK asks a service that throttles: again when it says, and how often it said so is counted.

Above an account's limits Azure Storage answers 503 (ServerBusy) or 429, with a ``Retry-After``. The SDK's own policy
does not read that, and gives up after three answers.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from azure.core.pipeline.policies import RetryPolicy

from testbed.tenant import busy

LONGEST_S = 45.0
"""So long one request is asked again while the service is busy: two containers are removed within a custodian's end."""


class RetryAfter(RetryPolicy[Any, Any]):
    """Asks a busy service again, for up to ``longest_s`` a request; ``throttled`` counts how often it was busy."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        super().__init__(retry_total=1000, retry_status=1000)
        self.throttled, self._longest_s, self._counting = 0, longest_s, threading.Lock()

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        for of_another_region in ("hosts", "location_mode"):  # the SDK's own policy would take them
            options.pop(of_another_region, None)
        return {**super().configure_retries(options), "until_s": time.monotonic() + self._longest_s}

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        """Count the service's word; say whether to ask again, which must not be too late."""
        answer = response.http_response
        if busy.is_busy(answer.status_code, answer.headers):
            with self._counting:
                self.throttled += 1
        wait_s = self.get_retry_after(response) or self.get_backoff_time(settings)
        return bool(super().is_retry(settings, response)) and time.monotonic() + wait_s <= settings["until_s"]

    def send(self, request: Any) -> Any:
        response = super().send(request)
        response.http_response.location_mode = "primary"  # which lists expect of the SDK's own policy
        return response
