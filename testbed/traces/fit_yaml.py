"""A fitted profile as YAML that `trace synth` reads."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from testbed.traces.profile import DurationQuantiles, Profile, RateQuantiles, Spell, Spread
from testbed.units import format_rate, format_share

_WIDTH = 116
_HARD = "\u00a0"


def to_yaml(profile: Profile, comment: str) -> str:
    """Return a profile as the YAML that `trace synth` reads."""
    return "\n".join(line.rstrip() for line in (f"# {comment}", *_yaml(profile))) + "\n"


def _yaml(profile: Profile) -> Iterator[str]:
    yield f"about: {profile.about!r}"
    yield f"cadence: {_exact(profile.cadence)}"
    if spread := profile.spread:
        yield from _spread_section(spread)
    if handover := profile.handover:
        yield f"handover: {{lead: {_exact(handover.lead)}, share: {format_share(handover.share)}, "
        yield f"  gap: {_quantiles(handover.gap)}, peak: {_exact(handover.peak)}, "
        yield f"  settle: {_exact(handover.settle)}, "
        yield from _listed("gaps", map(_stretch, handover.gaps))
        yield f"  source: {handover.source!r}}}"
    if bursts := profile.bursts:
        yield f"bursts: {{every: {_exact(bursts.every)}, single: {format_share(bursts.single)}, "
        yield f"  longest: {_exact(bursts.longest)}, "
        yield from _listed("runs", map(_stretch, bursts.runs))
        yield f"  source: {bursts.source!r}}}"
    if profile.outages:
        yield "outages:"
    for outage in profile.outages:
        yield f"  - {{cause: {outage.cause!r}, every: {_exact(outage.every)}, median: {_exact(outage.median)}, "
        yield f"    longest: {_exact(outage.longest)}, "
        yield from _listed("recorded", map(_stretch, outage.recorded))
        yield f"    source: {outage.source!r}}}"
    if rate := profile.rate:
        yield f"rate: {{every: {_exact(rate.every)}, memory: {rate.memory}, "
        yield f"  down: {_rates(rate.down)}, up: {_rates(rate.up)}, source: {rate.source!r}}}"


def _spread_section(spread: Spread) -> Iterator[str]:
    yield f"spread: {{every: {_exact(spread.every)}, between: {format_share(spread.between)}, "
    yield f"  step: {_exact(spread.step)}, drift: {format_share(spread.drift)}, "
    yield f"  correlation: {_exact(spread.correlation)}, "
    yield from _listed("rtt", map(_exact, spread.rtt))
    yield from _listed("tail", map(_exact, spread.tail))
    yield f"  source: {spread.source!r}}}"


def _listed(key: str, items: Iterable[str]) -> list[str]:
    """Return a list in lines that end between its items."""
    text = f"{key}: [{', '.join(item.replace(' ', _HARD) for item in items)}],"
    lines = textwrap.wrap(
        text, _WIDTH, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False
    )
    return [line.replace(_HARD, " ") for line in lines]


def _stretch(stretch: Spell) -> str:
    lost = "" if stretch.lost is None else f", lost: {_exact(stretch.lost)}"
    return f"{{lasted: {_exact(stretch.lasted)}, times: {stretch.times}{lost}}}"


def _exact(ns: int) -> str:
    """Write a duration to the microsecond: what is written is read again as the same."""
    if ns % 10**9 == 0:
        return f"{ns // 10**9} s"
    if ns < 10**9:
        return f"{ns // 1000 / 1000:g} ms"
    return f"{ns // 10**9}.{ns % 10**9 // 1000:06d}".rstrip("0").rstrip(".") + " s"


def _quantiles(spread: DurationQuantiles) -> str:
    return f"{{p5: {_exact(spread.p5)}, p50: {_exact(spread.p50)}, p95: {_exact(spread.p95)}}}"


def _rates(spread: RateQuantiles) -> str:
    text = f"p5: {format_rate(spread.p5)}, p50: {format_rate(spread.p50)}, p95: {format_rate(spread.p95)}"
    return f"{{{text}, layer: {spread.layer}}}"
