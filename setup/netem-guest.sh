#!/bin/sh
# netem-guest.sh COMMAND...: inside the virtual machine of netem-vm.sh: put the packed Python in its place, then run.
set -eu
mkdir -p /run/python
mount -o ro /dev/vda /run/python 2> /dev/null || mount -o ro /dev/sda /run/python
{ read -r stdlib && read -r site; } < /run/python/paths
mount --bind /run/python/stdlib "$stdlib"
mount --bind /run/python/site "$site"
ip link set lo up
exec "$@"
