# testbed: `make run` and `make test` do all the set-up that they need; a second time they skip what is there.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
AZURITE := $(VENV)/azurite
REPORT := $(VENV)/report
VM_HUB := build/vm-hub
NETEM := build/netem
LABGRID := build/labgrid
VIRTUAL := build/virtual
SCENARIO ?= starlink-blackout
# Scenarios play in virtual time where its kernel was built, as many at once as there are cores.
TESTBED_TIME ?= $(if $(wildcard $(VIRTUAL)/linux),virtual,real)
AT_ONCE ?= $(if $(filter virtual,$(TESTBED_TIME)),auto,3)

# Root is needed for namespaces and packages, for nothing else.
ROOT_ENV = env "PATH=$(CURDIR)/$(BIN):$$PATH" "TESTBED_TRACES=$$TESTBED_TRACES" PYTHONDONTWRITEBYTECODE=1
AS_ROOT = $(if $(filter 0,$(shell id -u)),,sudo) $(ROOT_ENV)
# Tests start daemons in namespaces; in a sandbox of their own these end with them.
SANDBOX = setpriv --pdeathsig KILL -- unshare --net --pid --mount --ipc --uts --fork --kill-child=KILL --mount-proc -- \
	tini -- sh -euc 'ip link set lo up; mount -t tmpfs -o mode=0755 tmpfs /run; mount -t tmpfs -o mode=1777 tmpfs /dev/shm; TESTBED_SANDBOX=1 exec "$$@"' sh

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

setup: $(VENV)/.host $(VENV)/.python $(AZURITE)/.installed $(REPORT)/.installed ## install and build everything: packages, Python, Azurite, uPlot, C core
	@$(MAKE) --silent core  # after the host's packages, which bring the compiler
	@$(BIN)/python -m compileall -q testbed  # by the user: root writes no bytecode here

run: root setup ## run SCENARIO (starlink-blackout) and judge it
	$(AS_ROOT) $(BIN)/testbed run $(SCENARIO)

test: lint test-unit test-system test-scenario ## everything that a change must pass

lint: $(VENV)/.python ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

test-unit: $(VENV)/.python core ## unit tests; they need no root, and no packages but a C compiler
	$(BIN)/pytest -n 2 tests/unit

test-system: root setup ## tests in namespaces, with the real parts
	$(AS_ROOT) $(SANDBOX) $(BIN)/pytest -p no:cacheprovider tests/system

test-vm: root setup $(VM_HUB)/hub.img ## a hub with a kernel of its own, in QEMU; needs mmdebstrap and qemu-system-x86
	$(AS_ROOT) $(SANDBOX) $(BIN)/pytest -p no:cacheprovider tests/vm

$(VM_HUB)/hub.img: tests/vm/image.sh
	$(AS_ROOT) sh tests/vm/image.sh $(VM_HUB)

test-labgrid: setup $(LABGRID)/.installed ## a bench that is a place of labgrid, at a real coordinator
	$(BIN)/pytest -p no:cacheprovider tests/system/bench/test_labgrid.py

$(LABGRID)/.installed: requirements-labgrid.txt
	@sh setup/environment.sh $(LABGRID)
	$(LABGRID)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-labgrid.txt
	@touch $@

test-netem: root setup $(NETEM)/programs.img ## the netem back end and Debian's kernel, in a virtual machine; minutes
	$(AS_ROOT) sh setup/netem-run.sh $(VENV) $(NETEM) -v -k "netem or segments" tests/system/link/test_contract.py \
		tests/system/link/test_agreement.py tests/system/link/test_segments.py tests/system/run/test_netem.py

test-report: root setup ## reports in headless Chromium, which is installed for it where there is none (100 MB)
	command -v chromium > /dev/null || $(AS_ROOT) apt-get install -qq --no-install-recommends chromium
	$(AS_ROOT) $(SANDBOX) $(BIN)/pytest -p no:cacheprovider -rs tests/system/report

virtual: $(VIRTUAL)/linux ## build the kernel of virtual time; about 15 minutes on two processors

$(VIRTUAL)/linux: setup/virtual-kernel.py setup/virtual_kernel_edits.py setup/virtual-kernel.config
	python3 setup/virtual-kernel.py $(VIRTUAL)

test-scenario: root setup ## the scenarios tagged ci, from end to end; in virtual time where there is its kernel (TESTBED_TIME=real)
	$(AS_ROOT) $(BIN)/pytest -p no:cacheprovider $(if $(filter virtual,$(TESTBED_TIME)),-n $(AT_ONCE)) -v -rs \
		--testbed-time $(TESTBED_TIME) --testbed-retry-invalid 2 -m ci scenarios

suite: root setup ## every scenario, AT_ONCE (3) at a time: about 20 minutes in real time
	$(AS_ROOT) $(BIN)/pytest -p no:cacheprovider -n $(AT_ONCE) -v -rs --testbed-time $(TESTBED_TIME) --testbed-retry-invalid 2 scenarios

kill-matrix: root setup ## end each process of a run in each phase, by each signal; about two hours
	$(AS_ROOT) $(SANDBOX) $(BIN)/python -m tests.system.run.kill_matrix

fuzz: ## let libFuzzer loose on the C parts that read what others wrote, a minute each; needs clang
	@sh setup/fuzz.sh

mutations: root setup ## every scenario with what must break it, AT_ONCE (3) at a time
	$(AS_ROOT) $(BIN)/pytest -p no:cacheprovider -n $(AT_ONCE) -v -rs --testbed-time $(TESTBED_TIME) --testbed-retry-invalid 2 --testbed-mutated scenarios

bench: root setup ## the benchmarks behind docs/performance.md
	$(AS_ROOT) $(BIN)/python -m benchmarks

traces: $(VENV)/.python ## make the reference traces again
	$(BIN)/python -m testbed.traces.reference

hashes: ## write requirements-hashes.txt for what the other requirements pin; needs uv
	sh setup/hashes.sh

clean: ## remove what was built and installed here; results stay
	rm -rf $(VENV) build .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info

root:
	@[ "$$(id -u)" = 0 ] || command -v sudo > /dev/null || \
		{ echo "testbed: namespaces need root, and there is no sudo; run make as root" >&2; exit 1; }

core:
	@command -v $(CC) > /dev/null || { echo "testbed: no C compiler; install one (apt-get install gcc libc6-dev), or run make setup" >&2; exit 1; }
	@$(MAKE) --silent -C testbed/link/core
	@$(MAKE) --silent -C testbed/probes/core
	@$(MAKE) --silent -C testbed/traces/core
	@$(MAKE) --silent -C testbed/lab/core

$(VENV)/bin/python:
	@sh setup/environment.sh $(VENV)

$(VENV)/.python: requirements-hashes.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-hashes.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.host: playbooks/workstation.yml | $(VENV)/.python
	@sh setup/host.sh $(BIN)
	@touch $@

$(NETEM)/programs.img: setup/netem-vm.sh requirements.txt requirements-dev.txt requirements-vm.txt requirements-node.txt \
		testbed/tenant/package-lock.json | $(AZURITE)/.installed
	@sh setup/netem-vm.sh $(VENV) $(NETEM)

$(AZURITE)/.installed: testbed/tenant/package.json testbed/tenant/package-lock.json requirements-node.txt | $(VENV)/.python
	@sh setup/azurite.sh $(VENV)
	@touch $@

$(REPORT)/.installed: testbed/report/package.json testbed/report/package-lock.json requirements-node.txt | $(VENV)/.python
	@sh setup/report.sh $(VENV)
	@touch $@

.PHONY: help setup run test lint test-unit test-system test-netem test-vm test-labgrid test-report test-scenario suite mutations bench kill-matrix fuzz traces hashes clean core root
