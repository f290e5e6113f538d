"""An uplink whose path takes shorter packets for a while: another PoP, a tunnel on the way."""

from __future__ import annotations

from testbed.errors import RunError
from testbed.faults.actor import Actor
from testbed.lab.path_mtu import set_mtu
from testbed.model.uplink import Mtu


class PathMtu(Actor):
    """Both ends of the emulated link; what the senders have learnt of it they keep, as anywhere."""

    def apply(self) -> None:
        self._set(Mtu(self.event.size, self.event.icmp))

    def undo(self) -> None:
        self._set(self.site.mtus.get(self.event.uplink, Mtu()))

    def _set(self, mtu: Mtu) -> None:
        try:
            set_mtu(self.site.devices, self.site.topology, self.event.uplink, mtu)
        except RunError as error:
            raise RunError(f"{self.event.title} failed: {error}") from error
