"""linkd's part played with netem: a process of its own that changes qdiscs as a schedule goes."""
