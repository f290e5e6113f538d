#!/bin/sh
# environment.sh FOLDER: make a virtual environment with pip, whichever Python there is and whatever it lacks.
set -eu
venv=$1

fail() {
    echo "setup: $*" >&2
    exit 1
}

# The first interpreter on PATH that is recent enough, newer names last: python3 is what the user chose.
find_python() {
    for name in python3 python3.13 python3.12 python3.11; do
        if command -v $name > /dev/null && $name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            command -v $name
            return
        fi
    done
    fail "no Python 3.11 or newer on PATH; install the package python3 (Debian 12, Ubuntu 24.04 or newer)"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Debian's python3 has venv only with the package python3-venv; pip may be there or not.
make_without_ensurepip() {
    if $python -m pip --version > /dev/null 2>&1; then
        $python -m venv --without-pip "$venv"
        $python -m pip --quiet --disable-pip-version-check --python "$venv/bin/python" install pip && return
    fi
    [ "$(id -u)" = 0 ] || command -v sudo > /dev/null || fail "needs root to install python3-venv; run: apt-get install python3-venv"
    echo "setup: installing python3-venv" >&2
    as_root apt-get update --quiet=2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends \
        "$($python -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')" > /dev/null
    $python -m venv --clear "$venv"
}

python=$(find_python)
echo "setup: virtual environment in $venv with $python ($($python --version))" >&2
if $python -m ensurepip --version > /dev/null 2>&1; then
    $python -m venv "$venv"
else
    make_without_ensurepip
fi
