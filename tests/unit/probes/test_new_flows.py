"""What the two ends of a stream of new flows saw, put together."""

from __future__ import annotations

from testbed.probes.new_flows import packets

MS = 10**6
CLIENT = [
    {"sent": [[0, 0], [1, 20 * MS]], "answered": [[0, 5 * MS]]},
    {"sent": [[2, 40 * MS], [3, 60 * MS]], "answered": [[2, 6 * MS]]},
]
TENANT = [{"received": [0, 1]}, {"received": [2]}]


def test_a_lost_packet_was_lost_where_the_tenant_says():
    """The tenant had the second and its answer was lost; the fourth it never saw."""
    found = list(packets(CLIENT, TENANT, 1000 * MS))

    assert [(0, 5 * MS, "none"), (1, None, "down"), (2, 6 * MS, "none"), (3, None, "up")] == [
        (row["seq"], row["rtt_ns"], row["lost"]) for row in found
    ]


def test_what_may_still_be_answered_is_left_out():
    """A packet without an answer that was sent a moment ago is not lost yet."""
    assert [0, 1, 2] == [row["seq"] for row in packets(CLIENT, TENANT, 50 * MS)]
