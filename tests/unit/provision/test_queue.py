"""What the hub's queue keeps, in which order it goes, and when it is given up."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "playbooks" / "roles" / "queue" / "files" / "queue.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program as it is installed on hubs."""
    spec = importlib.util.spec_from_file_location("queue_program", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(store: Any, most: int = 8) -> list[str]:
    return [name for _, name, _, _ in store.oldest(most)]


def test_the_oldest_goes_first_and_of_a_name_one_at_a_time(program: ModuleType, tmp_path: Path) -> None:
    """Two versions sent at once might arrive in the wrong order, and the older would stay."""
    store = program.Store(str(tmp_path / "q"), 1000)
    for name, body in (("/a", b"1"), ("/a", b"2"), ("/b", b"3"), ("/c", b"4")):
        assert store.keep(name, {"content-type": "x"}, body)

    assert ["/a", "/b"] == names(store, 2)
    ((number, _, headers, body), *_) = store.oldest(1)
    assert ({"content-type": "x"}, b"1") == (headers, body)
    store.gone(number)
    assert [b"2", b"3", b"4"] == [body for *_, body in store.oldest(8)]


def test_it_is_there_again_after_a_crash(program: ModuleType, tmp_path: Path) -> None:
    """What was acknowledged is on the disk: another program that opens it finds it."""
    program.Store(str(tmp_path / "q"), 1000).keep("/a", {}, b"1")

    assert ["/a"] == names(program.Store(str(tmp_path / "q"), 1000))


def test_no_more_than_its_size_is_taken(program: ModuleType, tmp_path: Path) -> None:
    """And nothing that was acknowledged makes room."""
    store = program.Store(str(tmp_path / "q"), 10)

    assert [True, False, True] == [store.keep(f"/{n}", {}, bytes(size)) for n, size in enumerate((6, 5, 4))]
    assert ["/0", "/2"] == names(store)


def test_what_the_tenant_refuses_for_good_holds_nobody_up(program: ModuleType, tmp_path: Path) -> None:
    """It waits aside until its time is over, and counts as waiting."""
    store = program.Store(str(tmp_path / "q"), 1000)
    store.keep("/a", {}, b"1")
    store.keep("/b", {}, b"2")
    store.put_aside(store.oldest(1)[0][0])

    assert (["/b"], 2) == (names(store), store.waiting())
    assert [] == store.expire(time.time() - 60)
    assert {"/a", "/b"} == set(store.expire(time.time() + 60))
    assert ([], 0) == (names(store), store.waiting())
