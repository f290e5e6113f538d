"""What was done by hand in a lab, written as a scenario that a run plays."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from testbed import paths
from testbed.errors import InputError
from testbed.model.event import Event, Lasting
from testbed.model.quantities import Duration, Share, Size
from testbed.model.uplink import Rates
from testbed.run import owner, plan
from testbed.yaml import load

_OF_THE_ORIGINAL = ("mutation", "tags", "shift")
"""Keys of a scenario that say something of its own course."""
_UNITS = ((10**9, "s"), (10**6, "ms"), (10**3, "us"), (1, "ns"))
_LEAST_NS = 10**9


def written(event: Event) -> dict[str, Any]:
    """Return an event as a user writes it."""
    hints = typing.get_type_hints(Event, include_extras=True)
    found: dict[str, Any] = {"at": duration(event.at)}
    for key, field in load.keys(Event).items():
        value = getattr(event, field.name)
        if key == "at" or value == field.default:
            continue
        if hints[field.name] in (Duration, Lasting):
            found[key] = duration(value)
        elif hints[field.name] == Share:
            found[key] = f"{value * 100:.9g} %"
        elif hints[field.name] == Size:
            found[key] = f"{value} B"
        elif isinstance(value, Rates):
            found[key] = {"up": f"{value.up} bit/s", "down": f"{value.down} bit/s"}
        else:
            found[key] = {True: "on", False: "off"}[value] if isinstance(value, bool) else value
    return found


def duration(ns: int) -> str:
    """Write a duration exactly."""
    scale, unit = next((scale, unit) for scale, unit in _UNITS if ns >= scale or scale == 1)
    return f"{(Decimal(ns) / scale).normalize():f} {unit}" if ns else "0 s"


def save(target: Path, scenario: Path, lab: str, events: Sequence[Mapping[str, Any]], lasted_ns: int) -> list[str]:
    """Write the scenario of a lab, with ``events`` in place of its own, to ``target``; return what was left out of it.

    Raises InputError where it would not be one, and where ``target`` is there already: then nothing is written.
    """
    if target.suffix not in (".yaml", ".yml"):
        raise InputError("testbed lab save", f"{target}", f"give a YAML file, such as {target.stem}.yaml")
    if target.exists():
        raise InputError(str(target), "it is there already", "choose another name")
    if not events:
        raise InputError("testbed lab save", "nothing was done by hand so far", "see 'testbed lab set --help'")
    root = yaml.compose(scenario.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise InputError(paths.shown(scenario), "no scenario", "the lab's inputs/ was changed")
    notes = list(_without_windows(root))
    kept = [(key, value) for key, value in root.value if key.value not in (*_OF_THE_ORIGINAL, "events", "duration")]
    lines = [f"- {_in_a_line(event)}" for event in events]
    whole_ns = -(-max(lasted_ns, _LEAST_NS) // 10**9) * 10**9
    added = yaml.compose(f"duration: {duration(whole_ns)}\nevents:\n{''.join(lines)}", Loader=yaml.SafeLoader)
    if not isinstance(added, yaml.MappingNode):
        raise InputError(str(target), "no events", "do something by hand first")
    objectives = next((index for index, (key, _) in enumerate(kept) if key.value == "objectives"), len(kept))
    root.value = [*kept[:objectives], *added.value, *kept[objectives:]]
    head = f"# {target.name}: what was done by hand in lab {lab} on {datetime.now():%d %b %Y}"
    text = f"{head}\n{yaml.serialize(root, Dumper=yaml.SafeDumper, width=120)}"
    partial = target.with_name(f".{target.stem}.partial.yaml")
    try:
        partial.write_text(text, encoding="utf-8")
        plan.make(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    owner.give(target)
    return notes


def _in_a_line(event: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(event), default_flow_style=True, sort_keys=False, width=1000)


def _without_windows(root: yaml.MappingNode) -> Iterator[str]:
    """Take the windows of objectives away: they were of the original's course. Yield what is worth telling."""
    for key, value in root.value:
        if key.value != "objectives" or not isinstance(value, yaml.SequenceNode):
            continue
        seen: list[list[tuple[str, str]]] = []
        for objective in list(value.value):
            windows = [pair for pair in objective.value if pair[0].value == "window"]
            objective.value = [pair for pair in objective.value if pair[0].value != "window"]
            same = sorted((k.value, str(v.value)) for k, v in objective.value if k.value not in ("at_most", "at_least"))
            if same in seen:
                value.value.remove(objective)
                yield "an objective that only its window told from another is left out"
                continue
            seen.append(same)
            if windows:
                yield "objectives are asked of the whole scenario: their windows were of the original's course"


