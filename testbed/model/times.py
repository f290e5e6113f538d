"""The two times in which a scenario can be played."""

from __future__ import annotations

REAL = "real"
"""This host's: a sandbox on its kernel, and real NICs where a bench has some."""

VIRTUAL = "virtual"
"""A simulated one: the same every time, whatever else the host does. See docs/virtual-time.md."""

TIMES = (REAL, VIRTUAL)
