"""Each format by a small file, and what random damage does to it: a trace or an input error, nothing else."""

import random

import pytest

from testbed.errors import InputError
from testbed.traces import formats, lint, stats, store
from testbed.traces.compile import compile_link
from tests.unit.traces.samples import FILES, SAMPLES, written

SPLINTERS = [
    "-",
    "9" * 25,
    "1e308",
    "NaN",
    "null",
    "\n\n",
    "0",
    "é",
    "-1",
    '""',
    "[]",
    "{}",
    "\x00",
    "\x1f",
    "\t",
]


@pytest.mark.parametrize("name", FILES)
def test_a_small_file_of_each_format_is_read(name, tmp_path):
    """It is recognised by content, and has as many readings and losses as were written."""
    data, readings, lost = FILES[name]
    path = tmp_path / "sample"
    path.write_bytes(data)

    trace = store.read(path)

    series = trace.probes or next(iter([*trace.series.values(), *trace.context.values()]))
    assert f"{name} 1" == trace.provenance.made_by
    assert (readings, lost) == (len(series), int(series.lost.sum()))


def test_every_format_has_a_sample():
    """A new importer comes with a sample."""
    assert formats.FORMATS.keys() == FILES.keys()


def damage(text, chance):
    """Return a text with one or two pieces changed, cut, doubled or swapped."""
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(text))
        to = min(len(text), at + chance.randint(1, 40))
        kind = chance.randrange(5)
        if kind == 0:
            text = text[:at] + text[to:]
        elif kind == 1:
            text = text[:to] + text[at:]
        elif kind == 2:
            text = text[:at] + chance.choice(SPLINTERS) + text[at:]
        elif kind == 3 and at > 5:
            text = text[:at]
        else:
            lines = text.split("\n")
            one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[one], lines[other] = lines[other], lines[one]
            text = "\n".join(lines)
    return text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SAMPLES)
def test_random_damage_raises_nothing_but_input_errors(name, tmp_path):
    """60 damaged copies: whatever is still read can be described, linted and compiled."""
    chance = random.Random(name)
    for _ in range(60):
        path = written(tmp_path, damage(SAMPLES[name][0], chance))
        try:
            trace = store.import_file(path, name)
        except InputError as error:
            assert str(error).startswith(str(path))
            continue
        stats.info(trace)
        lint.lint(trace)
        if trace.duration_ns < 10**12:
            compile_link(trace, duration_ns=trace.duration_ns, seed=1)
