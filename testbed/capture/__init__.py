"""Packets of a run as a file that Wireshark opens: both sides of an emulated link, on the clock of the records."""
