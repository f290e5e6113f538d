"""What a list of whole numbers is: deliveries, delays or losses; told by the numbers, and by the file's name.

Deliveries (ms) never fall and begin near 0. Delays rise and fall, in ms or, large, in ns. Where neither
numbers nor name tell, nothing is taken for granted.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.errors import InputError, Place
from testbed.traces.formats import base

MAHIMAHI, LEOCC, NS_DELAYS = "mahimahi", "leocc-delay", "ns-delays"
_DELAY_WORDS = {"delay", "delays", "latency", "owd", "rtt"}
_LOSS_WORDS = {"loss", "losses", "lost"}
_DELIVERY_WORDS = {"mahimahi", "mbps", "kbps"}
_NEAR_0_MS = 3
"""Deliveries begin here at the latest where a shorter silence cannot tell; no delay over a radio link is as short."""
_LONG_MS = 2000
"""Longer than the delays that lists of them hold."""
_NS = 100_000
"""0.1 ms as ns, or 100 s as ms: delays in ns lie above, and deliveries begin below."""
_MANY = 1000
"""That many deliveries within a millisecond would be 12 Gbit/s."""


@dataclass(frozen=True)
class Recognition:
    """The format of a list and why; without a name nothing takes it, and ``line`` may say where that shows."""

    name: str
    why: str
    expected: str = ""
    line: int = 0


def verdict(head: base.Head) -> Recognition | None:
    """Return what a file's beginning is, or None where it is no list of whole numbers."""
    numbers = first(head)
    if not numbers:
        return None
    words = set(re.split(r"[^a-z]+", head.path.name.lower()))
    delays = bool(words & _DELAY_WORDS)
    ended = re.search(r"\.(up|down)(\.(gz|txt|log|dat))*\Z", head.path.name.lower())
    deliveries = bool(words & _DELIVERY_WORDS or ended)
    if _are_losses(numbers, bool(words & _LOSS_WORDS), deliveries):
        return _losses(head, numbers)
    if delays != deliveries:
        return Recognition(_delays(numbers) if delays else MAHIMAHI, "by the words of the file's name")
    return _rising(numbers) if _rises(numbers) else _falling(numbers)


def first(head: base.Head) -> list[int]:
    """Return the numbers of a file's beginning, none where it holds anything else."""
    lines = [line.strip(" \t\r") for line in head.lines if line.strip()]
    plain = all(line.isascii() and line.isdigit() and len(line) < 19 for line in lines)
    return [int(line) for line in lines] if plain else []


def why(head: base.Head, name: str) -> tuple[str, ...]:
    """Return as a note why a list was taken for ``name``, none where the user said it."""
    found = verdict(head)
    return (f"taken for {name}: {found.why}",) if found and found.name == name else ()


def refusal(head: base.Head) -> InputError | None:
    """Return why no format takes a list, or None where one does or it is no list."""
    found = verdict(head)
    if found is None or found.name:
        return None
    return InputError(Place(str(head.path), found.line), found.why, found.expected)


def _rises(numbers: Sequence[int]) -> bool:
    return all(a <= b for a, b in itertools.pairwise(numbers))


def _delays(numbers: Sequence[int]) -> str:
    return NS_DELAYS if min((n for n in numbers if n), default=0) >= _NS else LEOCC


def _are_losses(numbers: Sequence[int], named: bool, deliveries: bool) -> bool:
    if max(numbers) > 1:
        return False
    if named or max(numbers) == 0 or not _rises(numbers):
        return True
    return not deliveries and (numbers[0] == 0 or len(numbers) >= _MANY)


def _losses(head: base.Head, numbers: Sequence[int]) -> Recognition:
    beside = re.sub("loss(es)?", "delay", head.path.name, flags=re.IGNORECASE)
    there = beside != head.path.name and head.path.with_name(beside).is_file()
    named = (
        f"{beside}, which takes them along"
        if there
        else "the list of delays beside it, which takes them along"
    )
    at_least = "at least " if len(head.data) >= base.HEAD_BYTES else ""
    return Recognition(
        "",
        f"a list of losses: {at_least}{sum(numbers)} ones of {len(numbers)}",
        f"import {named} (deliveries: --format {MAHIMAHI})",
    )


def _rising(numbers: Sequence[int]) -> Recognition:
    begin, end = numbers[0], numbers[-1]
    if begin >= _NS:
        return Recognition(NS_DELAYS, "numbers from 100,000 on: as deliveries they would begin after 100 s")
    if len(numbers) == 1:
        return Recognition(MAHIMAHI, "one number: a constant rate")
    if begin <= _NEAR_0_MS or 10 * begin <= end or (end > _LONG_MS and 2 * begin <= end):
        return Recognition(MAHIMAHI, f"the numbers never fall, from {begin} to {end}")
    return Recognition(
        "",
        f"numbers that never fall, from {begin} to {end}: deliveries (mahimahi) or delays",
        f"say which: --format {MAHIMAHI} or --format {LEOCC}",
    )


def _falling(numbers: Sequence[int]) -> Recognition:
    falls = [n for n, (one, other) in enumerate(itertools.pairwise(numbers), 1) if other < one]
    if all(numbers[n] <= max(_NEAR_0_MS, numbers[n - 1] // 10) for n in falls) and numbers[0] <= _NEAR_0_MS:
        found = f"{numbers[falls[0]]} follows {numbers[falls[0] - 1]}: a second list of deliveries begins"
        return Recognition("", found, "split the file, or name --format", falls[0] + 1)
    name = _delays(numbers)
    if name == LEOCC and max(numbers) > base.MAX_RTT_NS // 10**6:
        return Recognition(
            "", f"numbers that rise and fall, up to {max(numbers)}", "name what they are by --format"
        )
    return Recognition(name, f"the numbers rise and fall, from {min(numbers)} to {max(numbers)}")
