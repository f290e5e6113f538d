"""The tenant's content changes: every object gets a new version, with other bytes and another ETag."""

from __future__ import annotations

from testbed.errors import RunError
from testbed.faults.actor import Actor
from testbed.tenant.backend import NewContent

SPARE_S = 30.0
"""So much later than the event's end the new versions may be there: when they were is a fact of the run."""


class ContentChanges(Actor):
    """Stores what was made beforehand; ``undo`` waits until all of it is there, and takes nothing back.

    It does so at once: that the tenant has the last new version is the change, and not the event's end.
    """

    _revision: NewContent | None = None

    @property
    def undo_ns(self) -> int:
        return self.event.at + 1  # after ``apply``: of two at once, what ends comes first

    def open(self) -> None:
        if self.site.revise is None:
            raise RunError(f"{self.event.title}: only a tenant of the lab changes its content")
        self._revision = self.site.revise()

    @property
    def revision(self) -> NewContent:
        """The new versions. Raises RunError before ``open``."""
        if self._revision is None:
            raise RunError(f"{self.event.title}: it was not opened")
        return self._revision

    def apply(self) -> None:
        self.revision.go()

    def undo(self) -> None:
        self.revision.wait(self.event.duration_ns / 1e9 + SPARE_S)

    def close(self) -> None:
        super().close()
        if self._revision is not None:
            self._revision.close()
