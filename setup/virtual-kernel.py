"""virtual-kernel.py FOLDER: build the kernel of virtual time, User-Mode Linux, as FOLDER/linux.

It is Debian's source (the package linux-source-6.12, unpacked into FOLDER) with the edits of virtual_kernel_edits.py.
It takes about 15 minutes on two processors, and 2 GB while it is built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from virtual_kernel_edits import EDITS, edited

SOURCE = Path("/usr/src/linux-source-6.12.tar.xz")
PACKAGES = ("linux-source-6.12", "gcc", "libc6-dev", "make", "flex", "bison", "bc", "libelf-dev", "xz-utils")
CONFIG = Path(__file__).with_name("virtual-kernel.config")
NAMED = ("KBUILD_BUILD_TIMESTAMP=2026-01-05", "KBUILD_BUILD_USER=testbed", "KBUILD_BUILD_HOST=testbed")
"""What a kernel says of itself, which its randomness takes in: the same wherever it is built."""


def main() -> int:
    """Unpack, edit, configure and build."""
    folder = Path(sys.argv[1]).resolve()
    _install()
    folder.mkdir(parents=True, exist_ok=True)
    tree = folder / "source"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    print("setup: building the kernel of virtual time, about 15 minutes on two processors", file=sys.stderr)
    _run("tar", "--extract", f"--file={SOURCE}", "--strip-components=1", f"--directory={tree}")
    for edit in EDITS:
        path = tree / edit.file
        path.write_text(edited(path.read_text(), edit))
    log = folder / "build.log"
    with log.open("wb") as said:
        make = ("make", "-C", str(tree), "ARCH=um", *NAMED)
        try:
            _run(*make, "defconfig", log=said)
            with (tree / ".config").open("a") as config:
                config.write(CONFIG.read_text())
            _run(*make, "olddefconfig", log=said)
            _run(*make, f"-j{len(os.sched_getaffinity(0))}", "linux", log=said)
        except subprocess.CalledProcessError:
            print(*log.read_text(errors="replace").splitlines()[-10:], sep="\n", file=sys.stderr)
            print(f"setup: the kernel was not built; all that was said is in {log}", file=sys.stderr)
            return 1
    _run("strip", "-o", str(folder / "linux.new"), str(tree / "linux"))
    (folder / "linux.new").replace(folder / "linux")
    shutil.rmtree(tree)
    return 0


def _install() -> None:
    # A package that another one names is known to dpkg, installed or not.
    of_each = "--showformat=${db:Status-Status} ${Package}\n"
    known = subprocess.run(["dpkg-query", "--show", of_each], capture_output=True, text=True, check=True).stdout
    installed = {package for status, package in map(str.split, known.splitlines()) if status == "installed"}
    missing = [package for package in PACKAGES if package not in installed]
    if not missing:
        return
    print(f"setup: installing {' '.join(missing)}", file=sys.stderr)
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    _run(*as_root, "apt-get", "update", "--quiet=2")
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--quiet=2")
    _run(*as_root, *quiet, "--no-install-recommends", *missing)


def _run(*command: str, log: object = None) -> None:
    subprocess.run(command, check=True, stdout=log, stderr=log)  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
