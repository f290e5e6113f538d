#!/bin/sh
# netem-guest.sh COMMAND...: inside the virtual machine of netem-vm.sh: put the packed programs in their places, then run.
set -eu
mkdir -p /run/programs
mount -o ro /dev/vda /run/programs 2> /dev/null || mount -o ro /dev/sda /run/programs
number=0
while read -r place; do
    mount --bind "/run/programs/$number" "$place"
    number=$((number + 1))
done < /run/programs/paths
ip link set lo up
exec "$@"
