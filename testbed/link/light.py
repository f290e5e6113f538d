"""Light hubs in logical time: the load of many hubs through the cells that they share, by the engine's physics.

Without root; the same plan gives the same tallies. See fleet.h. In real time linkd plays the same plan.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np

from testbed.errors import RunError
from testbed.link.layout import FOREVER
from testbed.link.light_plan import LightPlan, Tallies
from testbed.link.simulated import LIBRARY, SimulatedLink
from testbed.link.simulated import load as load_engine


@cache
def load() -> ctypes.CDLL:
    """Load the engine's physics with the fleet's functions. Raises HostError when it is not built."""
    library = load_engine(LIBRARY)
    pointer, u32, i64 = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int64
    prototypes = {
        "plan_read": (pointer, [pointer, ctypes.c_size_t, ctypes.POINTER(ctypes.c_char_p)]),
        "fleet_open": (pointer, [pointer, pointer]),
        "fleet_start": (None, [pointer, i64]),
        "fleet_run": (ctypes.c_bool, [pointer, i64]),
        "fleet_inside": (ctypes.c_uint64, [pointer]),
        "fleet_close": (None, [pointer]),
        "sim_visit": (None, [pointer, pointer, u32]),
    }
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class LightFleet:
    """A fleet under a clock that moves as far as it is told; times count from its start."""

    def __init__(self, plan: LightPlan) -> None:
        """Raises RunError where there is no memory, or the plan is faulty."""
        self._library = load()
        self.plan = plan
        self._block = plan.block.copy()  # the engine makes pointers of its offsets
        self._evidence = np.zeros(plan.evidence_size, np.uint8)
        fault = ctypes.c_char_p()
        read = self._library.plan_read(self._block.ctypes.data, self._block.nbytes, ctypes.byref(fault))
        if not read:
            raise RunError(f"the fleet's plan: {(fault.value or b'').decode()}")
        self._fleet = self._library.fleet_open(read, self._evidence.ctypes.data)
        if not self._fleet:
            raise RunError("the fleet could not be opened: no memory")
        self._library.fleet_start(self._fleet, 0)

    def share(self, link: SimulatedLink, cell: str) -> None:
        """Send a link's packets through a cell from now on, beside those of light hubs; it runs the fleet with it."""
        self._library.sim_visit(link.handle, self._fleet, self.plan.stations.index(cell))

    def run(self, until_ns: int = FOREVER - 1) -> None:
        """Run until this instant, included. Raises RunError when there is no memory."""
        if not self._library.fleet_run(self._fleet, until_ns):
            raise RunError("the fleet is out of memory")

    @property
    def inside(self) -> int:
        """How many packets of light hubs are on their way."""
        return int(self._library.fleet_inside(self._fleet))

    def tallies(self) -> Tallies:
        """Return a copy of what became of it so far."""
        return self.plan.tallies(self._evidence.tobytes())

    def close(self) -> None:
        """Free its memory."""
        self._library.fleet_close(self._fleet)
        self._fleet = None
