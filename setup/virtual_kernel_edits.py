"""What the kernel of virtual time has besides Debian's source: edits of our own, made where their anchors are found."""

from __future__ import annotations

from dataclasses import dataclass


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
        "void time_travel_yield(void);\n"
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
        "/* No tick comes while time stands still: who waits for another thread in a loop lets it go on. */\n"
        "void time_travel_yield(void)\n"
        "{\n"
        "	static unsigned long yielded;\n"
        "\n"
        "	if (time_travel_mode != TT_MODE_INFCPU)\n"
        "		return;\n"
        "	if (time_travel_done < yielded)\n"
        "		yielded = 0;\n"
        "	if (time_travel_done - yielded < 1000)\n"
        "		return;\n"
        "	yielded = time_travel_done;\n"
        "	yield();\n"
        "}\n"
        "\n"
        "static bool time_travel_telling;\n"
        "\n"
        "static struct stub_clock *time_travel_clock(void)\n"
        "{\n"
        "	bool told = time_travel_mode == TT_MODE_INFCPU && current->mm;\n"
        "\n"
        "	return told ? &((struct stub_data *)current->mm->context.id.stack)->clock : NULL;\n"
        "}\n"
        "\n"
        "/* How far ahead of the clock a program is told the time: no two of its looks show the same. */\n"
        "unsigned int time_travel_ahead(void)\n"
        "{\n"
        "	struct stub_clock *clock = time_travel_clock();\n"
        "\n"
        "	return clock ? stub_clock_ahead(clock, time_travel_time) : 0;\n"
        "}\n"
        "\n"
        "/* Before a program goes on: what it may read of the clocks without a call. */\n"
        "void time_travel_tell(void)\n"
        "{\n"
        "	struct stub_clock *clock = time_travel_clock();\n"
        "\n"
        "	if (!clock)\n"
        "		return;\n"
        "	time_travel_telling = true;\n"
        "	clock->now = time_travel_time;\n"
        "	clock->ns[CLOCK_REALTIME] = ktime_get_real_ns();\n"
        "	clock->ns[CLOCK_MONOTONIC] = ktime_get_ns();\n"
        "	clock->ns[CLOCK_MONOTONIC_RAW] = ktime_get_raw_ns();\n"
        "	clock->ns[CLOCK_BOOTTIME] = ktime_get_boottime_ns();\n"
        "	time_travel_telling = false;\n"
        "	clock->free = time_travel_done > TIME_TRAVEL_FREE ? 0 : 1000;\n"
        "}\n"
        "\n"
        "/* After it: its looks count as calls do. */\n"
        "void time_travel_told(void)\n"
        "{\n"
        "	struct stub_clock *clock = time_travel_clock();\n"
        "\n"
        "	if (!clock)\n"
        "		return;\n"
        "	time_travel_done += clock->looks;\n"
        "	clock->looks = 0;\n"
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
        "	return ++seen[at].polls > 20;\n"
        "}\n"
        "\n"
        "void time_travel_ndelay(unsigned long nsec)\n",
    ),
    # A look at the clock is no call: while a program goes on time stands still, and lies in a page of its own.
    Edit(
        "arch/um/include/shared/timetravel.h",
        "void _time_travel_print_bc_msg(void);\n",
        "void time_travel_tell(void);\n"
        "void time_travel_told(void);\n"
        "\n"
        "#define STUB_CLOCKS 8\n"
        "#define STUB_CLOCK_HERE 0x7465737462656421 /* where a vdso is told its address */\n"
        "\n"
        "struct stub_clock {\n"
        "	unsigned long long now, last; /* time travel's time, and the last time that was told */\n"
        "	unsigned long long ns[STUB_CLOCKS]; /* by clock, 0: ask the kernel */\n"
        "	unsigned int looks, free;\n"
        "};\n"
        "\n"
        "static inline unsigned int stub_clock_ahead(struct stub_clock *clock, unsigned long long now)\n"
        "{\n"
        "	if (clock->last < now)\n"
        "		clock->last = now;\n"
        "	else\n"
        "		clock->last++;\n"
        "	return clock->last - now;\n"
        "}\n"
        "\n"
        "void _time_travel_print_bc_msg(void);\n",
    ),
    Edit(
        "arch/um/include/shared/skas/stub-data.h",
        "#include <as-layout.h>\n",
        "#include <as-layout.h>\n#include <timetravel.h>\n",
    ),
    Edit(
        "arch/um/include/shared/skas/stub-data.h",
        "	/* Stack for our signal handlers",
        "	struct stub_clock clock;\n\n	/* Stack for our signal handlers",
    ),
    Edit(
        "arch/um/kernel/time.c",
        "#include <linux/um_timetravel.h>\n",
        "#include <linux/um_timetravel.h>\n#include <stub-data.h>\n",
    ),
    Edit(
        "arch/x86/um/vdso/vma.c",
        "	copy_page(page_address(um_vdso), vdso_start);\n",
        "	copy_page(page_address(um_vdso), vdso_start);\n"
        "	for (at = 0; at <= PAGE_SIZE - sizeof(u64); at++) {\n"
        "		void *word = page_address(um_vdso) + at;\n"
        "\n"
        "		if (get_unaligned((u64 *)word) == STUB_CLOCK_HERE)\n"
        "			put_unaligned((u64)(STUB_DATA + offsetof(struct stub_data, clock)), (u64 *)word);\n"
        "	}\n",
    ),
    Edit("arch/x86/um/vdso/vma.c", "	struct page *um_vdso;\n", "	struct page *um_vdso;\n	int at;\n"),
    Edit(
        "arch/x86/um/vdso/vma.c",
        "#include <linux/init.h>\n",
        "#include <linux/init.h>\n#include <linux/unaligned.h>\n#include <stub-data.h>\n",
    ),
    Edit(
        "arch/x86/um/vdso/um_vdso.c",
        "int __vdso_clock_gettime(clockid_t clock, struct __kernel_old_timespec *ts)\n{\n	long ret;\n",
        "static inline struct stub_clock *looked(clockid_t clock)\n"
        "{\n"
        "	struct stub_clock *told;\n"
        "\n"
        '	asm("movabs %1, %0" : "=r" (told) : "i" (STUB_CLOCK_HERE));\n'
        "	if ((unsigned int)clock >= STUB_CLOCKS || !told->ns[clock] || told->looks >= told->free)\n"
        "		return NULL;\n"
        "	told->looks++;\n"
        "	return told;\n"
        "}\n"
        "\n"
        "int __vdso_clock_gettime(clockid_t clock, struct __kernel_old_timespec *ts)\n"
        "{\n"
        "	struct stub_clock *told = looked(clock);\n"
        "	unsigned long long ns;\n"
        "	long ret;\n"
        "\n"
        "	if (told) {\n"
        "		ns = told->ns[clock] + stub_clock_ahead(told, told->now);\n"
        "		ts->tv_sec = ns / 1000000000;\n"
        "		ts->tv_nsec = ns % 1000000000;\n"
        "		return 0;\n"
        "	}\n",
    ),
    Edit(
        "arch/x86/um/vdso/um_vdso.c",
        "int __vdso_gettimeofday(struct __kernel_old_timeval *tv, struct timezone *tz)\n{\n	long ret;\n",
        "int __vdso_gettimeofday(struct __kernel_old_timeval *tv, struct timezone *tz)\n"
        "{\n"
        "	struct stub_clock *told = tz ? NULL : looked(CLOCK_REALTIME);\n"
        "	long ret;\n"
        "\n"
        "	if (told) {\n"
        "		tv->tv_sec = told->ns[CLOCK_REALTIME] / 1000000000;\n"
        "		tv->tv_usec = told->ns[CLOCK_REALTIME] % 1000000000 / 1000;\n"
        "		return 0;\n"
        "	}\n",
    ),
    Edit(
        "arch/x86/um/vdso/um_vdso.c",
        "#include <linux/getcpu.h>\n",
        "#include <linux/getcpu.h>\n#include <shared/timetravel.h>\n",
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
        "		    !time_travel_ext_waiting)\n			time_travel_update_time_rel(TIMER_MULTIPLIER);\n",
        "		    !time_travel_ext_waiting && !time_travel_telling)\n			time_travel_work();\n",
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
        "		time_travel_work();\n"
        "		time_travel_yield();\n",
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
    Edit(
        "arch/um/os-Linux/skas/process.c",
        "		/* Flush out any pending syscalls */\n",
        "		time_travel_tell();\n\n		/* Flush out any pending syscalls */\n",
    ),
    # A program goes on with the registers that it was stopped with: to set them costs the host more than to compare.
    Edit(
        "arch/um/os-Linux/skas/process.c",
        "int userspace_pid[NR_CPUS];\n",
        "int userspace_pid[NR_CPUS];\n"
        "\n"
        "static struct stopped {\n"
        "	int pid;\n"
        "	unsigned long fp[FP_SIZE];\n"
        "} stopped[64];\n"
        "\n"
        "static struct stopped *stopped_with(int pid)\n"
        "{\n"
        "	return &stopped[pid % 64];\n"
        "}\n",
    ),
    Edit(
        "arch/um/os-Linux/skas/process.c",
        "	do {\n		CATCH_EINTR(n = waitpid(pid, &status, WUNTRACED | __WALL));\n",
        "	stopped_with(pid)->pid = 0;\n"
        "	do {\n		CATCH_EINTR(n = waitpid(pid, &status, WUNTRACED | __WALL));\n",
    ),
    Edit(
        "arch/um/os-Linux/skas/process.c",
        "		if (put_fp_registers(pid, regs->fp)) {\n",
        "		if ((stopped_with(pid)->pid != pid || memcmp(stopped_with(pid)->fp, regs->fp, sizeof(regs->fp))) &&\n"
        "		    put_fp_registers(pid, regs->fp)) {\n",
    ),
    Edit(
        "arch/um/os-Linux/skas/process.c",
        "		UPT_SYSCALL_NR(regs) = -1; /* Assume: It's not a syscall */\n",
        "		stopped_with(pid)->pid = pid;\n"
        "		memcpy(stopped_with(pid)->fp, regs->fp, sizeof(regs->fp));\n"
        "		time_travel_told();\n"
        "\n"
        "		UPT_SYSCALL_NR(regs) = -1; /* Assume: It's not a syscall */\n",
    ),
    # A page fault costs the host more than dozens of pages: what lies beside a page that is written is made ready too.
    Edit(
        "arch/um/kernel/trap.c",
        "/*\n * Note this is constrained to return 0, -EFAULT, -EACCES, -ENOMEM by\n",
        "static void write_around(struct vm_area_struct *vma, unsigned long address)\n"
        "{\n"
        "	unsigned long begin = round_down(address, 32 * PAGE_SIZE);\n"
        "	unsigned long at = max(begin, vma->vm_start), end = min(begin + 32 * PAGE_SIZE, vma->vm_end);\n"
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
