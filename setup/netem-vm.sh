#!/bin/sh
# netem-vm.sh VENV FOLDER: prepare a virtual machine whose kernel has netem, for `make test-netem`.
# FOLDER/kernel gets Debian's kernel, unpacked and not installed; FOLDER/programs.img this Python, its
# packages and Azurite: through the shared root (9p, not cached) each start of Python would take half a minute.
set -eu
venv=$(cd "$1" && pwd)
folder=$2
packages='qemu-system-x86 udev kmod busybox-static e2fsprogs'

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

missing=$(for package in $packages; do # one that another package names is known to dpkg, installed or not
    dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2> /dev/null | grep -qx installed || echo "$package"
done)
if [ -n "$missing" ]; then
    echo "setup: installing $missing" >&2
    as_root apt-get update --quiet=2
    # shellcheck disable=SC2086 # a list of packages
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends $missing > /dev/null
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-vm.txt

rm -rf "$folder"
mkdir -p "$folder/kernel"
image=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p')
echo "setup: unpacking $image" >&2
(cd "$folder" && apt-get download --quiet=2 --option APT::Sandbox::User=root "$image" && dpkg-deb --extract "$image"_*.deb kernel && rm ./*.deb)
depmod --basedir "$folder/kernel" "${image#linux-image-}"

echo "setup: packing $("$venv/bin/python" --version) and Azurite" >&2
tree=$folder/tree
mkdir -p "$tree"
number=0
pack() { # FOLDER TAR_OPTION...: FOLDER's content into the image, under the next number
    mkdir "$tree/$number"
    echo "$1" >> "$tree/paths"
    (cd "$1" && shift && tar --create "$@" .) | tar --extract --directory "$tree/$number"
    number=$((number + 1))
}
pack "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    --exclude=./site-packages --exclude=./test --exclude=./dist-packages
pack "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
pack "$venv/azurite"
size=$(du --summarize --block-size=1M "$tree" | cut -f1)
mke2fs -q -t ext4 -d "$tree" "$folder/programs.img" "$((size * 5 / 4 + 64))M"
rm -r "$tree"
