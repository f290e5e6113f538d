"""The 10 ms records of a run, read while they grow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.link.layout import BIN
from testbed.link.records import BinsFollower, read_bins

MS, S = 10**6, 10**9

records = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1), st.integers(0, 1)), max_size=12)


@settings(max_examples=40)
@given(written=st.lists(records, max_size=8), cut=st.integers(0, BIN.itemsize - 1))
def test_following_is_reading_it_whole(tmp_path_factory, written: list[list[tuple[int, int, int]]], cut: int) -> None:
    """However records come, out of order or cut in the middle, what was followed is what the file has."""
    folder: Path = tmp_path_factory.mktemp("link")
    (folder / "linkd.conf").write_text("link starlink a b 1 x y\nlink lte c d 1 x y\n")
    path = folder / "links.bins"
    path.touch()
    follower = BinsFollower(path)
    for some in written:
        bins = np.zeros(len(some), BIN)
        for record, (t, link, direction) in zip(bins, some, strict=True):
            record["t_ns"], record["link"], record["direction"], record["bytes_in"] = t * S // 5, link, direction, t
        data = bins.tobytes()
        with path.open("ab") as file:  # a look while a record is being written
            file.write(data[: max(len(data) - cut, 0)])
        follower.table()
        with path.open("ab") as file:
            file.write(data[max(len(data) - cut, 0) :])

        assert _rows(follower.table()) == _rows(read_bins(path))


def test_what_nobody_asks_for_any_more_is_forgotten(tmp_path: Path) -> None:
    """A look at the last seconds holds them and little more, however long it goes on; one at all of it has all."""
    (tmp_path / "linkd.conf").write_text("link starlink a b 1 x y\n")
    path = tmp_path / "links.bins"
    follower, held = BinsFollower(path), []
    for second in range(60):
        bins = np.zeros(100, BIN)
        bins["t_ns"] = second * S + np.arange(100) * 10 * MS
        with path.open("ab") as file:
            file.write(bins.tobytes())
        since_ns = max(0, second - 5) * S
        table = follower.table(since_ns)
        held.append(table.num_rows)
        assert set(range(since_ns, (second + 1) * S, 10 * MS)) <= set(table["t_ns"].to_pylist())

    assert max(held[20:]) == max(held[:20]) < 1000
    assert 6000 == follower.table().num_rows == read_bins(path).num_rows


def test_two_who_ask_at_once_have_each_record_once(tmp_path: Path) -> None:
    """Each asks as often as it can, while the file grows."""
    (tmp_path / "linkd.conf").write_text("link starlink a b 1 x y\n")
    path, asked = tmp_path / "links.bins", 200
    path.touch()
    follower = BinsFollower(path)

    def ask(_: int) -> list[list[int]]:
        return [follower.table()["t_ns"].to_pylist() for _ in range(asked)]

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(ask, range(4))
        for number in range(asked):
            bins = np.zeros(10, BIN)
            bins["t_ns"] = (10 * number + np.arange(10)) * 10 * MS
            with path.open("ab") as file:
                file.write(bins.tobytes())
        told = [times for each in answers for times in each]

    assert all(times == [10 * MS * number for number in range(len(times))] for times in told)


def _rows(table: pa.Table) -> list[tuple[object, ...]]:
    """Return the rows; those of one time, link and direction in any order."""
    rows = [tuple(row.values()) for row in table.to_pylist()]
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    return sorted(rows)
