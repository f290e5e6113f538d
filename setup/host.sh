#!/bin/sh
# host.sh BIN: install the lab host's packages with playbooks/workstation.yml; BIN holds ansible-playbook.
set -eu
options=
if [ "$(id -u)" != 0 ] && command -v sudo > /dev/null && ! sudo -n true 2> /dev/null; then
    options=--ask-become-pass
fi
echo "setup: packages of the lab host" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! ANSIBLE_CONFIG=playbooks/ansible.cfg "$1/ansible-playbook" $options --inventory localhost, playbooks/workstation.yml > "$log"; then
    cat "$log" >&2
    if [ "$(id -u)" != 0 ] && ! command -v sudo > /dev/null; then
        echo "setup: installing packages needs root, and there is no sudo; run 'make setup' once as root" >&2
    fi
    exit 1
fi
