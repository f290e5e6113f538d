#!/bin/sh
# azurite.sh VENV: install Azurite into VENV/azurite, and Node.js into VENV where the machine has none from 20 on.
set -eu
venv=$(cd "$1" && pwd)
PATH=$venv/bin:$PATH

recent_node() {
    command -v npm > /dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2> /dev/null
}

recent_node || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-node.txt
echo "setup: Azurite with Node.js $(node --version)" >&2
mkdir -p "$venv/azurite"
cp testbed/tenant/package.json testbed/tenant/package-lock.json "$venv/azurite/"
npm ci --prefix "$venv/azurite" --ignore-scripts --no-audit --no-fund --loglevel=error
