#!/bin/sh
# Compare a change with what it is based on, on the scenarios that it affects: gate.sh BASE SCENARIO...
#
# In the root of a checkout with its history, after `make setup`. Leaves compare.md and compare.xml (JUnit).
# REPEAT pairs of runs (5); STRICT=1 also fails what could not be told. TESTBED_TIME=virtual, after `make virtual`: one
# pair is enough, and no root is needed.
set -eu
base=$1
shift
testbed=.venv/bin/testbed

affected=$("$testbed" affected "$@" --since "$base" --names)
if [ -z "$affected" ]; then
	echo "No scenario of $* is affected since $base." | tee compare.md
	echo '<testsuites/>' >compare.xml
	exit 0
fi

time=${TESTBED_TIME:-real} as_root=
[ "$time" = virtual ] || [ "$(id -u)" = 0 ] || as_root=sudo
status=0
# shellcheck disable=SC2086  # a word a scenario
$as_root env "PATH=$PWD/.venv/bin:$PATH" "$testbed" compare $affected --rev "$base" --rev HEAD \
	--time "$time" --repeat "${REPEAT:-5}" --thresholds docs/ci/thresholds.yaml --junit compare.xml --markdown >compare.md || status=$?
cat compare.md
if [ "$status" = 3 ] && [ -z "${STRICT:-}" ]; then
	echo "Some of it could not be told: repeat more, or look at it." >&2
	exit 0
fi
exit "$status"
