#!/bin/sh
# netem-run.sh VENV FOLDER TEST...: run tests under the kernel of FOLDER (netem-vm.sh) in a virtual machine.
# Its root is this machine's, read-only. Without KVM, which may be there and not boot: the tests have minutes to spare.
set -eu
venv=$1
folder=$2
shift 2
export PATH="$(cd "$venv" && pwd)/bin:$PATH"
exec vng --run "$(ls "$folder"/kernel/boot/vmlinuz-*)" --disable-kvm --cpus 2 --memory 3G --qemu-opts='-cpu Nehalem-v1' \
    --disk "$folder/programs.img" -- \
    sh setup/netem-guest.sh env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/pytest" -p no:cacheprovider "$@"
