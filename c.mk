# How every C part is built: included by the Makefiles of testbed/*/core and of benchmarks, all into build/.
# A warning is an error in CI alone: another compiler than ours may know more of them.
ROOT := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
BUILD ?= $(ROOT)/build
C_MK := $(ROOT)/c.mk

CC ?= cc
CFLAGS ?= -O2 -g
STRICT := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Wno-sign-conversion -pthread $(if $(filter true,$(CI)),-Werror)
override CFLAGS += $(STRICT)
SANITISE := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
