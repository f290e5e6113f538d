"""testbed: a hardware-in-the-loop link emulation testbed for community hubs."""

__version__ = "0.1.0"
