#!/bin/sh
# host.sh BIN: install the lab host's packages with playbooks/workstation.yml; BIN holds ansible-playbook.
set -eu
options=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo > /dev/null; then
        echo "setup: packages need root, and there is no sudo; run 'make setup' once as root" >&2
        exit 1
    fi
    sudo -n true 2> /dev/null || options=--ask-become-pass
fi
echo "setup: packages of the lab host" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! ANSIBLE_CONFIG=playbooks/ansible.cfg "$1/ansible-playbook" $options --inventory localhost, playbooks/workstation.yml > "$log"; then
    cat "$log" >&2
    exit 1
fi
