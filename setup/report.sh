#!/bin/sh
# report.sh VENV: install what reports draw with (uPlot), and what their tests use (axe-core), into VENV/report.
set -eu
venv=$(cd "$1" && pwd)
PATH=$venv/bin:$PATH

command -v npm > /dev/null ||
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-node.txt
echo "setup: uPlot for reports" >&2
mkdir -p "$venv/report"
cp testbed/report/package.json testbed/report/package-lock.json "$venv/report/"
npm ci --prefix "$venv/report" --ignore-scripts --no-audit --no-fund --loglevel=error
