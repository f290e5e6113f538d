"""Frozen types of the testbed's nouns; no input or output, no clock, no chance."""
