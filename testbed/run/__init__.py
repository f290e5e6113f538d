"""A run: planned, sent into its sandbox, brought up, played, ended."""
