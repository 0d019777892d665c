# furrow: build/furrow and build/furrow-runner, their tests, and what a fresh machine needs for both.
# `make help` tells the targets. B is the build folder, V=1 shows the commands.

B ?= build
CC ?= gcc
PREFIX ?= /usr/local
PKG_CONFIG ?= pkg-config
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

VERSION := 0.1.0
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror
HARDEN := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	-ftrivial-auto-var-init=zero
LINK_HARDEN := -Wl,-z,relro,-z,now,-z,noexecstack
OPT ?= -O2 -g $(HARDEN)
SAN ?=
CPPFLAGS += -iquote . -D_GNU_SOURCE -DFURROW_VERSION='"$(VERSION)"'
CFLAGS_ALL = -std=c17 $(OPT) $(SAN) $(WARN) -pthread $(CFLAGS)

PACKAGES := libyaml-dev libjansson-dev libssl-dev libgit2-dev libarchive-dev libcmocka-dev pkg-config \
	gcc make git libc6-dev
TEST_PACKAGES := clang libclang-rt-14-dev clang-tidy cppcheck clang-format podman runc crun uidmap \
	busybox-static jq ninja-build time procps

LIBS = $(shell $(PKG_CONFIG) --libs yaml-0.1 jansson libcrypto) -ldl -lm
# libgit2 and libarchive are loaded when first needed (headers only here): --version needs neither.

BASE := arena buf clock digest error json str ulid
BASE_OBJ := $(BASE:%=planner/base/%.o) planner/base/protocol.o
PLANNER_OBJ := $(addprefix planner/,diag.o diff.o estimate.o expand.o glob.o graph.o history.o job.o key.o kind.o \
	manifest.o manifest_check.o plan_dot.o plan_file.o plan_json.o schema.o source.o suggest.o template.o \
	units.o yaml.o)
EXECUTE_OBJ := $(addprefix planner/execute/,executor.o journal.o pool.o ready.o retry.o timings.o)
PROVIDER_OBJ := $(addprefix providers/,dynlib.o archive/lib.o git/lib.o git/tree.o git/walk.o git/export.o git/remote.o \
	store/dir.o store/result.o store/collect.o store/unpack.o store/lock.o store/gc.o \
	host/session.o host/spawn.o host/sweep.o container/engine.o container/archive.o \
	local/local.o local/observe.o local/tasks.o local/state.o)
CMD_OBJ := $(addprefix cmd/furrow/,main.o)
FURROW_OBJ := $(CMD_OBJ) $(PROVIDER_OBJ) $(EXECUTE_OBJ) $(PLANNER_OBJ) $(BASE_OBJ)
RUNNER_OBJ := $(addprefix cmd/runner/,main.o serve.o task.o stream.o pack.o reap.o) planner/base/protocol.o

all: $(B)/furrow $(B)/furrow-runner

$(B)/furrow: $(FURROW_OBJ:%=$(B)/%)
	$(Q)$(CC) $(CFLAGS_ALL) -fPIE -pie $(LINK_HARDEN) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/furrow-runner: $(RUNNER_OBJ:%=$(B)/runner/%)
	$(Q)$(CC) $(CFLAGS_ALL) -static $(LINK_HARDEN) $(LDFLAGS) -o $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -fPIE -MMD -MP -c -o $@ $<

$(B)/runner/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

ifneq ($(V),1)
Q := @
endif

-include $(shell find $(B) -name '*.d' 2>/dev/null)
.PHONY: all
