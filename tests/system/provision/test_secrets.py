"""What is secret, in a real run of Ansible."""

from __future__ import annotations

from pathlib import Path

from testbed.lab.provision import Secret, provision
from tests.system.provision.test_hang import Here

PLAYBOOK = """\
- hosts: hubs
  gather_facts: false
  tasks:
    - name: what a device is told
      ansible.builtin.copy: {content: "{{ token }} {{ none }} {{ plain }}", dest: "{{ told }}", mode: "0600"}
      no_log: true
    - name: who can read what Ansible has
      ansible.builtin.shell: (cat {{ inventory_file }}; stat -c %a {{ inventory_dir }}/../hub/*) > {{ kept }}
"""
SAS = "sig={% raw %}it's \"quoted\" {{ and }}"


def test_a_secret_is_in_no_inventory_and_reaches_its_device(tmp_path: Path) -> None:
    """Byte for byte, from a file that its owner alone can read, and that is gone when all is done."""
    (tmp_path / "p.yml").write_text(PLAYBOOK)
    told, kept, folder = tmp_path / "told", tmp_path / "kept", tmp_path / "private"
    variables = {"token": Secret(SAS), "none": Secret(""), "plain": "open", "told": str(told), "kept": str(kept)}

    provision(tmp_path / "p.yml", {"hubs": [Here("hub")]}, {"hub": variables}, folder)

    assert f"{SAS}  open" == told.read_text()
    assert "sig=" not in kept.read_text()
    assert kept.read_text().endswith("600\n")
    assert ["ansible.log"] == [path.name for path in folder.rglob("*")]
    assert "sig=" not in (folder / "ansible.log").read_text()
