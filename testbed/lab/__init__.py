"""The lab: the network that Mininet builds, and access to its devices."""
