"""virtual-kernel.py FOLDER: build the kernel of virtual time, User-Mode Linux, as FOLDER/linux.

It is Debian's source (the package linux-source-6.12, unpacked into FOLDER) with three edits of our own, made where
their anchors are found. It takes about 15 minutes on two processors, and 2 GB while it is built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path("/usr/src/linux-source-6.12.tar.xz")
PACKAGES = ("linux-source-6.12", "gcc", "libc6-dev", "make", "flex", "bison", "bc", "libelf-dev", "xz-utils")
CONFIG = Path(__file__).with_name("virtual-kernel.config")


@dataclass(frozen=True)
class Edit:
    """Text put in place of ``anchor``, which must be there once."""

    file: str
    anchor: str
    text: str


EDITS = (
    # A call into the kernel takes a microsecond: who polls makes time pass, and does not stop it.
    Edit(
        "arch/um/kernel/skas/syscall.c",
        "		PT_REGS_SET_SYSCALL_RETURN(regs, ret);\n",
        "		PT_REGS_SET_SYSCALL_RETURN(regs, ret);\n"
        "		if (time_travel_mode == TT_MODE_INFCPU)\n"
        "			time_travel_ndelay(1000);\n",
    ),
    # All that is random comes from a seed (splitmix64), if there is one.
    Edit(
        "arch/um/os-Linux/util.c",
        "	return getrandom(buf, len, flags);\n",
        "	static unsigned long long state;\n"
        '	const char *seed = getenv("TESTBED_SEED");\n'
        "	unsigned char *bytes = buf;\n"
        "	size_t i;\n"
        "\n"
        "	if (!seed)\n"
        "		return getrandom(buf, len, flags);\n"
        "	if (!state)\n"
        "		state = strtoull(seed, NULL, 10) | 1ULL << 63;\n"
        "	for (i = 0; i < len; i++) {\n"
        "		unsigned long long z = state += 0x9e3779b97f4a7c15ULL;\n"
        "\n"
        "		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;\n"
        "		z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;\n"
        "		bytes[i] = z ^ (z >> 31);\n"
        "	}\n"
        "	return len;\n",
    ),
)


def edited(text: str, edit: Edit) -> str:
    """Return a source's text with an edit made. Raises ValueError where its anchor is not there exactly once."""
    if (found := text.count(edit.anchor)) != 1:
        raise ValueError(f"{edit.file}: its anchor {edit.anchor.strip()!r} is there {found} times, not once")
    return text.replace(edit.anchor, edit.text)


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
        make = ("make", "-C", str(tree), "ARCH=um")
        _run(*make, "defconfig", log=said)
        with (tree / ".config").open("a") as config:
            config.write(CONFIG.read_text())
        _run(*make, "olddefconfig", log=said)
        _run(*make, f"-j{len(os.sched_getaffinity(0))}", "linux", log=said)
    _run("strip", "-o", str(folder / "linux.new"), str(tree / "linux"))
    (folder / "linux.new").replace(folder / "linux")
    shutil.rmtree(tree)
    return 0


def _install() -> None:
    missing = [
        package
        for package in PACKAGES
        if subprocess.run(["dpkg-query", "--show", package], capture_output=True, check=False).returncode
    ]
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
