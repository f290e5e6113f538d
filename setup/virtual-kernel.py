"""virtual-kernel.py FOLDER: build the kernel of virtual time, User-Mode Linux, as FOLDER/linux.

It is Debian's source (the package linux-source-6.12, unpacked into FOLDER) with a few edits of our own, made where
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
NAMED = ("KBUILD_BUILD_TIMESTAMP=2026-01-05", "KBUILD_BUILD_USER=testbed", "KBUILD_BUILD_HOST=testbed")
"""What a kernel says of itself, which its randomness takes in: the same wherever it is built."""


@dataclass(frozen=True)
class Edit:
    """Text put in place of ``anchor``, which must be there once."""

    file: str
    anchor: str
    text: str


EDITS = (
    # What is done at one instant takes no time, unless it is so much that somebody must be waiting for the time
    # to come: then each call into the kernel, and each look at the clock, takes a microsecond.
    Edit(
        "arch/um/include/linux/time-internal.h",
        "#define TIMER_MULTIPLIER 256\n#define TIMER_MIN_DELTA  500\n",
        "#define TIMER_MULTIPLIER 1\n"
        "#define TIMER_MIN_DELTA  1\n"
        "#define TIME_TRAVEL_STEP 50000\n"
        "void time_travel_work(void);\n"
        "unsigned int time_travel_ahead(void);\n"
        "bool time_travel_waits(void);\n",
    ),
    Edit(
        "arch/um/kernel/time.c",
        "void time_travel_ndelay(unsigned long nsec)\n",
        "#define TIME_TRAVEL_FREE 1000000\n"
        "static unsigned long time_travel_done;\n"
        "\n"
        "void time_travel_work(void)\n"
        "{\n"
        "	if (time_travel_mode == TT_MODE_INFCPU && ++time_travel_done > TIME_TRAVEL_FREE)\n"
        "		time_travel_update_time_rel(1000);\n"
        "}\n"
        "\n"
        "/* How far ahead of the clock a program is told the time: no two of its looks show the same. */\n"
        "unsigned int time_travel_ahead(void)\n"
        "{\n"
        "	static struct { pid_t tgid; unsigned long long last; } told[4096];\n"
        "	int at = current->tgid % ARRAY_SIZE(told);\n"
        "\n"
        "	if (time_travel_mode != TT_MODE_INFCPU)\n"
        "		return 0;\n"
        "	if (told[at].tgid != current->tgid || told[at].last < time_travel_time)\n"
        "		told[at].last = time_travel_time;\n"
        "	else\n"
        "		told[at].last++;\n"
        "	told[at].tgid = current->tgid;\n"
        "	return told[at].last - time_travel_time;\n"
        "}\n"
        "\n"
        "/* Whether a program has polled without patience again and again: it waits for the time to come. */\n"
        "bool time_travel_waits(void)\n"
        "{\n"
        "	static struct { pid_t pid; unsigned int polls; unsigned long long last; } seen[4096];\n"
        "	int at = current->pid % ARRAY_SIZE(seen);\n"
        "\n"
        "	if (time_travel_mode != TT_MODE_INFCPU)\n"
        "		return false;\n"
        "	if (seen[at].pid != current->pid || seen[at].last + TIME_TRAVEL_STEP < time_travel_time)\n"
        "		seen[at].polls = 0;\n"
        "	seen[at].pid = current->pid;\n"
        "	seen[at].last = time_travel_time;\n"
        "	return ++seen[at].polls > 100;\n"
        "}\n"
        "\n"
        "void time_travel_ndelay(unsigned long nsec)\n",
    ),
    # FRR polls without patience in the last millisecond before a timer of its own.
    Edit(
        "fs/select.c",
        "	/* Optimise the no-wait case */\n"
        "	if (end_time && !end_time->tv_sec && !end_time->tv_nsec) {\n"
        "		pt->_qproc = NULL;\n",
        "	if (end_time && !end_time->tv_sec && !end_time->tv_nsec && time_travel_waits()) {\n"
        "		ktime_get_ts64(end_time);\n"
        "		timespec64_add_ns(end_time, TIME_TRAVEL_STEP);\n"
        "	}\n"
        "\n"
        "	/* Optimise the no-wait case */\n"
        "	if (end_time && !end_time->tv_sec && !end_time->tv_nsec) {\n"
        "		pt->_qproc = NULL;\n",
    ),
    Edit(
        "kernel/time/posix-timers.c",
        "	error = kc->clock_get_timespec(which_clock, &kernel_tp);\n"
        "\n"
        "	if (!error && put_timespec64(&kernel_tp, tp))\n",
        "	error = kc->clock_get_timespec(which_clock, &kernel_tp);\n"
        "	if (!error && (which_clock == CLOCK_REALTIME || which_clock == CLOCK_MONOTONIC ||\n"
        "		       which_clock == CLOCK_MONOTONIC_RAW || which_clock == CLOCK_BOOTTIME))\n"
        "		timespec64_add_ns(&kernel_tp, time_travel_ahead());\n"
        "\n"
        "	if (!error && put_timespec64(&kernel_tp, tp))\n",
    ),
    Edit(
        "kernel/time/posix-timers.c",
        "#include <linux/time_namespace.h>\n",
        "#include <linux/time_namespace.h>\n#include <linux/time-internal.h>\n",
    ),
    Edit(
        "arch/um/kernel/time.c",
        "	time_travel_update_time(next, true);\n",
        "	if (time_travel_mode == TT_MODE_INFCPU)\n"
        "		time_travel_done = 0;\n"
        "	time_travel_update_time(next, true);\n",
    ),
    Edit(
        "arch/um/kernel/time.c",
        "			time_travel_update_time_rel(TIMER_MULTIPLIER);\n",
        "			time_travel_work();\n",
    ),
    Edit(
        "arch/um/kernel/time.c",
        "	delta += 1;\n\n	if (time_travel_mode != TT_MODE_OFF) {\n",
        "	if (time_travel_mode != TT_MODE_INFCPU)\n"
        "		delta += 1;\n"
        "\n"
        "	if (time_travel_mode != TT_MODE_OFF) {\n",
    ),
    Edit(
        "arch/um/kernel/skas/syscall.c",
        "		PT_REGS_SET_SYSCALL_RETURN(regs, ret);\n",
        "		PT_REGS_SET_SYSCALL_RETURN(regs, ret);\n"
        "		time_travel_work();\n",
    ),
    Edit(
        "arch/um/kernel/skas/syscall.c",
        "			um_udelay(1);\n			schedule();\n",
        "			time_travel_work();\n			schedule();\n",
    ),
    # A timer is exact: no sleep is drawn out so that several end at once.
    Edit("init/init_task.c", "	.timer_slack_ns = 50000, /* 50 usec default slack */\n", "	.timer_slack_ns = 0,\n"),
    Edit(
        "fs/select.c",
        "	if (slack == 0)\n		return 0;\n",
        "	if (slack == 0 || time_travel_mode == TT_MODE_INFCPU)\n		return 0;\n",
    ),
    Edit(
        "fs/select.c",
        "#include <linux/hrtimer.h>\n",
        "#include <linux/hrtimer.h>\n#include <linux/time-internal.h>\n",
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
    # And stays what the seed made it: when things happened does not become a part of it later.
    Edit(
        "drivers/char/random.c",
        "	if (likely(system_unbound_wq))\n		queue_delayed_work(system_unbound_wq, &next_reseed",
        "	if (time_travel_mode == TT_MODE_OFF && likely(system_unbound_wq))\n"
        "		queue_delayed_work(system_unbound_wq, &next_reseed",
    ),
    Edit(
        "drivers/char/random.c",
        "#include <linux/sched/isolation.h>\n",
        "#include <linux/sched/isolation.h>\n#include <linux/time-internal.h>\n",
    ),
    # The processor's own clock tells virtual time as well: Go, OpenSSL and others take it for randomness.
    Edit(
        "arch/um/kernel/time.c",
        "static void time_travel_set_time(unsigned long long ns)\n{\n",
        "unsigned long long time_travel_now(void);\n"
        "unsigned long long time_travel_now(void)\n"
        "{\n"
        "	return time_travel_time + time_travel_ahead();\n"
        "}\n"
        "\n"
        "static void time_travel_set_time(unsigned long long ns)\n{\n",
    ),
    Edit(
        "arch/um/os-Linux/skas/process.c",
        "	set_sigstack((void *) STUB_DATA, STUB_DATA_PAGES * UM_KERN_PAGE_SIZE);\n",
        "	if (getenv(\"TESTBED_SEED\"))\n"
        "		prctl(PR_SET_TSC, PR_TSC_SIGSEGV);\n"
        "	set_sigstack((void *) STUB_DATA, STUB_DATA_PAGES * UM_KERN_PAGE_SIZE);\n",
    ),
    Edit(
        "arch/um/os-Linux/skas/process.c",
        "			case SIGSEGV:\n				if (PTRACE_FULL_FAULTINFO) {\n",
        "			case SIGSEGV:\n"
        "				if (((siginfo_t *)&si)->si_code == SI_KERNEL && told_the_time(pid, regs))\n"
        "					break;\n"
        "				if (PTRACE_FULL_FAULTINFO) {\n",
    ),
    Edit(
        "arch/um/os-Linux/skas/process.c",
        "void userspace(struct uml_pt_regs *regs",
        "unsigned long long time_travel_now(void);\n"
        "void time_travel_work(void);\n"
        "\n"
        "/* Carries out rdtsc and rdtscp, which trap; who waits for the time by them sees it come. */\n"
        "static bool told_the_time(int pid, struct uml_pt_regs *regs)\n"
        "{\n"
        "	unsigned long word = ptrace(PTRACE_PEEKTEXT, pid, REGS_IP(regs->gp), 0);\n"
        "	bool short_one = (word & 0xffff) == 0x310f;\n"
        "	unsigned long long now;\n"
        "\n"
        "	if (!short_one && (word & 0xffffff) != 0xf9010f)\n"
        "		return false;\n"
        "	time_travel_work();\n"
        "	now = time_travel_now();\n"
        "	regs->gp[HOST_AX] = (unsigned int)now;\n"
        "	regs->gp[HOST_DX] = now >> 32;\n"
        "	if (!short_one)\n"
        "		regs->gp[HOST_CX] = 0;\n"
        "	REGS_IP(regs->gp) += short_one ? 2 : 3;\n"
        "	return true;\n"
        "}\n"
        "\n"
        "void userspace(struct uml_pt_regs *regs",
    ),
    # A page fault costs the host more than eight pages do: what lies beside a page that is written is made ready too.
    Edit(
        "arch/um/kernel/trap.c",
        "/*\n * Note this is constrained to return 0, -EFAULT, -EACCES, -ENOMEM by\n",
        "static void write_around(struct vm_area_struct *vma, unsigned long address)\n"
        "{\n"
        "	unsigned long begin = round_down(address, 8 * PAGE_SIZE);\n"
        "	unsigned long at = max(begin, vma->vm_start), end = min(begin + 8 * PAGE_SIZE, vma->vm_end);\n"
        "\n"
        "	for (; at < end; at += PAGE_SIZE) {\n"
        "		pte_t pte = *pte_offset_kernel(pmd_off(vma->vm_mm, at), at);\n"
        "\n"
        "		if (pte_none(pte) ? !vma_is_anonymous(vma) : !pte_present(pte) || pte_write(pte))\n"
        "			continue;\n"
        "		if (handle_mm_fault(vma, at, FAULT_FLAG_WRITE, NULL) & VM_FAULT_ERROR)\n"
        "			return;\n"
        "	}\n"
        "}\n"
        "\n"
        "/*\n * Note this is constrained to return 0, -EFAULT, -EACCES, -ENOMEM by\n",
    ),
    Edit(
        "arch/um/kernel/trap.c",
        "	} while (!pte_present(*pte));\n	err = 0;\n",
        "	} while (!pte_present(*pte));\n"
        "	err = 0;\n"
        "	if (is_write && !(vma->vm_flags & VM_SHARED))\n"
        "		write_around(vma, address);\n",
    ),
    Edit(
        "arch/um/os-Linux/skas/process.c",
        "#include <sys/wait.h>\n",
        "#include <sys/wait.h>\n#include <sys/prctl.h>\n",
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
        make = ("make", "-C", str(tree), "ARCH=um", *NAMED)
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
