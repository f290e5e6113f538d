"""The link engine: emulated links between network interfaces, and the proof that they were exact."""
