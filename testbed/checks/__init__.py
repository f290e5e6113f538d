"""Whether a host, a bench and the engine are as a run needs them."""
