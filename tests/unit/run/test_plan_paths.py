"""Where a scenario's files are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import paths
from testbed.run import plan

SCENARIO = """\
# s.yaml: what lies beside it?
topology: ./t.yaml
duration: 9 s
uplinks: {starlink: {fixed: {delay: 25 ms}}, lte: {fixed: {delay: 40 ms}}}
traffic:
  beat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}
  pages: {kind: http-get, from: client, catalogue: ./c.yaml, rate: 5/s}
objectives: [{metric: interruption, of: beat, at_most: 3 s}]
"""


def test_paths_are_relative_to_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Topology and catalogue beside a scenario are found from wherever it is run, before what lies there."""
    for folder in (tmp_path / "theirs", tmp_path / "elsewhere"):
        folder.mkdir()
        (folder / "t.yaml").write_text((paths.TOPOLOGIES / "hub-two-uplinks.yaml").read_text())
        (folder / "c.yaml").write_text((paths.CATALOGUES / "school-day.yaml").read_text())
    (tmp_path / "theirs" / "s.yaml").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path / "elsewhere")
    made = plan.make(Path("../theirs/s.yaml"))

    assert tmp_path / "theirs/t.yaml" == made.topology_path
    assert {"pages": tmp_path / "theirs/c.yaml"} == made.catalogue_paths


def test_what_python_leaves_beside_playbooks_is_no_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte code appears on its own: the hashes of a run's inputs are the same before and after."""
    (tmp_path / "plugins" / "__pycache__").mkdir(parents=True)
    (tmp_path / "plugins" / "links.py").touch()
    (tmp_path / "plugins" / "__pycache__" / "links.cpython-313.pyc").touch()
    monkeypatch.setattr(paths, "PLAYBOOKS", tmp_path)
    made = plan.make(paths.SCENARIOS / "smoke.yaml")

    assert [tmp_path / "plugins/links.py"] == [path for role, path in made.inputs() if role == "playbook"]
