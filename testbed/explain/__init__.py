"""What led to what in a run, and why it failed: from its folder alone."""
