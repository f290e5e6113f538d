"""A Starlink terminal's own API on an uplink's CPE: what the hub's software asks, told as the emulated link does."""
