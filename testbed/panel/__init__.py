"""A lab's panel in the browser: what its links do as they do it, and hands to touch them, on this host alone."""
