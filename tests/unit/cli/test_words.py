"""What is printed is what was said: in 'interruption:heartbeat:at_most' a word stands as the names of emoji do."""

from __future__ import annotations

import ast

import pytest

from testbed.paths import ROOT

MODULES = sorted((ROOT / "testbed" / "cli").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_word_becomes_a_picture(path) -> None:
    """Every console of the command line leaves them as they are."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    made = [call for call in calls if isinstance(call.func, ast.Name) and "Console" == call.func.id]

    for call in made:
        assert {"emoji": False} == {
            word.arg: getattr(word.value, "value", None) for word in call.keywords if "emoji" == word.arg
        }
