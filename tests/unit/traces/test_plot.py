"""A trace's figure says what was lost, in which direction, and what the trace cannot tell."""

import numpy as np
import pytest

from testbed.errors import InputError
from testbed.model.trace import Loss, Origin, Provenance, Series, SeriesName, Trace, Trait
from testbed.traces.plot import draw, figure_of

MS, S = 10**6, 10**9


def trace(names=(SeriesName.RTT,), lost=(), count=3000, cadence_ns=10 * MS, traits=()):
    t = np.arange(count) * cadence_ns
    loss = np.where(np.isin(np.arange(count), lost), Loss.UNKNOWN, Loss.NONE)
    value = (50 + np.sin(t / S)) * MS
    provenance = Provenance(Origin.MEASURED, "a test", start_ns=0, traits=traits)
    return Trace(
        "drawn",
        provenance,
        {name: Series.of(t, value.astype(np.int64), loss) for name in names},
        count * cadence_ns,
    )


def panel(figure, title):
    return next(axes for axes in figure.axes if axes.get_title(loc="left") == title)


def texts(axes):
    return " ".join(text.get_text() for text in axes.texts)


def legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_header_says_what_was_lost():
    """Lost probes, of how many, and their share."""
    assert "lost: 3 of 3,000 probes (0.1 %)" in figure_of(trace(lost=[1, 7, 9])).get_suptitle()


def test_few_losses_do_not_look_like_an_outage():
    """A bar holds many probes: three lost ones of 3,000 reach no tenth of the losses' axis of per cent."""
    axes = panel(figure_of(trace(lost=[100, 1000, 2000])), "Losses")

    highest = max(patch.get_data().values.max() for patch in axes.patches)
    assert 0 < highest < 10
    assert axes.get_ylim()[1] < 12
    assert legend(axes)[0].startswith("lost, in bars of ")


def test_lost_probes_of_a_prober_that_waits_are_drawn_for_one_cadence():
    """What the prober waited is not lost time."""
    t = np.arange(100) * 150 * MS + np.where(np.arange(100) > 50, 5 * S, 0)
    loss = np.where(np.arange(100) == 50, Loss.UNKNOWN, Loss.NONE)
    provenance = Provenance(Origin.MEASURED, "a test", traits=(Trait.STOP_AND_WAIT,))
    waiting = Trace("t", provenance, {SeriesName.RTT: Series.of(t, np.full(100, 50 * MS), loss)}, 20 * S)

    drawn = panel(figure_of(waiting), "Losses").patches[0].get_data()

    assert float((drawn.values / 100 * np.diff(drawn.edges)).sum()) == pytest.approx(0.15, rel=0.01)


def test_where_nothing_was_answered_the_figure_says_so():
    """No axis of delays that nobody measured."""
    figure = figure_of(trace(lost=range(3000)))

    for title in ("Delay and outages", "Folded on the 15 s cycle", "Distribution of the delay"):
        assert "no probe was answered" in texts(panel(figure, title))
        assert 0 == len(panel(figure, title).get_yticks())
    assert "(100 %)" in figure.get_suptitle()


def test_both_directions_are_named():
    """One-way delays are drawn for up and down, with their losses and quantiles."""
    figure = figure_of(trace((SeriesName.UP_DELAY, SeriesName.DOWN_DELAY), lost=[5]))

    assert ["up", "down"] == legend(panel(figure, "Delay and outages"))
    assert ["lost up", "lost down"] == [label.partition(",")[0] for label in legend(panel(figure, "Losses"))]
    assert "up: p50" in texts(panel(figure, "Distribution of the delay"))
    assert "lost up: 1 of 3,000 probes" in figure.get_suptitle()


def test_bars_of_losses_have_a_legend_in_the_fold():
    """The fold names delay, boundary and losses, and draws the delays in front."""
    axes = panel(figure_of(trace(lost=[5])), "Folded on the 15 s cycle")

    assert ["RTT", "boundary", "lost (right)"] == legend(axes)


def test_what_the_trace_cannot_tell_stands_in_the_figure():
    """The findings of lint, each with its consequence."""
    shown = texts(panel(figure_of(trace(traits=(Trait.ICMP,))), "What this trace cannot tell (trace lint)"))

    assert "icmp-only: taken with ping" in shown
    assert "nothing found" in texts(panel(figure_of(trace()), "What this trace cannot tell (trace lint)"))


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_figure_is_written(tmp_path, ending):
    """In the three formats, of a rate alone too."""
    rates = Trace("r", trace().provenance, {SeriesName.UP_RATE: Series.of([0], [10**6])}, 10 * S)

    draw(rates, tmp_path / f"x.{ending}")

    assert (tmp_path / f"x.{ending}").stat().st_size > 1000


def test_nothing_to_draw_is_refused(tmp_path):
    """Context alone makes no figure, and other endings none that is known."""
    with pytest.raises(InputError, match="nothing but context series"):
        figure_of(Trace("c", trace().provenance, {}, S))
    with pytest.raises(InputError, match="ending '.gif'"):
        draw(trace(), tmp_path / "x.gif")
