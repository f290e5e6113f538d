#!/bin/sh
# hashes.sh: write the hash of every file of every pinned package, whatever platform it is for. Needs uv.
set -eu
command -v uv > /dev/null || { echo "setup: uv is not installed; install it beside the environment: pipx install uv" >&2; exit 1; }

hashed() { # hashed OUTPUT REQUIREMENTS...: the first lines of OUTPUT that are comments stay
    output=$1
    shift
    comments=$(sed '/^#/!q' "$output" | grep '^#')
    pins=$(uv pip compile --quiet --generate-hashes --no-deps --universal --python-version 3.11 \
        --no-annotate --no-header --no-config "$@")
    printf '%s\n%s\n' "$comments" "$pins" > "$output"
}

hashed requirements-hashes.txt requirements.txt requirements-dev.txt requirements-campaign.txt
hashed requirements-node.txt requirements-node.txt
hashed requirements-vm.txt requirements-vm.txt
hashed requirements-labgrid.txt requirements-labgrid.txt
