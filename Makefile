# furrow: build/furrow and build/furrow-runner, their tests, and what a fresh machine needs for both.
# `make help` tells the targets. B is the build folder; V=1 shows the commands.

B ?= build
CC = gcc
PREFIX ?= /usr/local
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
# Tests wait as much as they work: for hosts that boot, for time limits.
TEST_JOBS ?= $(shell echo $$(($(JOBS) + 1)))
FUZZ_SECONDS ?= 60
KILLS ?= 200
VERSION := 0.1.0

WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection=full -ftrivial-auto-var-init=zero
ifneq ($(findstring clang,$(CC)),)
HARDEN += -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang
endif
OPT ?= -O2 -g $(HARDEN)
SAN ?=
LINK := -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed
CPPFLAGS += -iquote . -D_GNU_SOURCE -DFURROW_VERSION='"$(VERSION)"'
CC_FLAGS = -std=c17 $(OPT) $(SAN) $(WARN) -pthread $(CFLAGS)
# libgit2, libarchive and libcurl are loaded when first needed: their headers only are wanted here.
LIBS = -lyaml -ljansson -lcrypto -ldl -lm

PACKAGES := gcc make git pkg-config libc6-dev libyaml-dev libjansson-dev libssl-dev libgit2-dev \
	libarchive-dev libcurl4-openssl-dev libssh-dev libexpat1-dev
TEST_PACKAGES := libcmocka-dev clang libclang-rt-14-dev jq procps strace busybox-static podman runc \
	uidmap man-db zsh fish cloud-init openssh-server openssh-client \
	iproute2 sudo curl python3 python3-venv docker-registry
CHECK_PACKAGES := clang-tidy cppcheck clang-format
ARM64_PACKAGES := gcc-aarch64-linux-gnu libc6-dev-arm64-cross
BENCH_PACKAGES := awscli ninja-build python3-asyncssh rclone time

BASE := arena buf clock digest error json protocol str ulid
PLANNER := boot cost curve curve_json diag diff diff_fleet estimate expand folder glob graph hint history job job_record job_task \
	key key_index kind \
	label manifest manifest_check manifest_environment manifest_extends manifest_instances \
	manifest_job manifest_paths manifest_read manifest_together object offer path plan_dot plan_file \
	plan_json plan_state ranges regions role schema source strset suggest template units units_meant \
	yaml yaml_node yaml_problem
EXECUTE := budget critical even events executor journal layout leave lines meter money nodes places pool \
	read_attempts read_lives read_nodes read_slots read_words reader ready replace retry scan spans state timings
ARCHIVE := lib
AWS := client client_call client_error client_sign credentials credentials_answer credentials_ask \
	credentials_container credentials_imds credentials_look credentials_process credentials_profile \
	credentials_sso credentials_sso_renew credentials_web ec2_choose ec2_describe ec2_group ec2_image ec2_page \
	ec2_quota ec2_run ec2_subnet ec2_type_cache ec2_types ecr endpoint failure http http_fetch http_transfer ini \
	limiter operation policy prices prices_advisor prices_kept prices_list prices_offerings prices_spot \
	printable query retry s3_bucket s3_call s3_delete s3_list s3_multipart s3_object s3_ranges service_quota \
	shared_config sigv4 sts sts_cache sum_line uri user_data xml
CONTAINER := archive call container credentials engine far http image kept reference registry setup
CURL := lib
DOCTOR := account bucket examine findings launch machine permissions quota
EXPAT := lib
FLEET := access boot environment explain fleet host image inventory inventory_lock inventory_remove \
	inventory_wait known launch look lost mend notice observe observe_hosts offers region release share share_hear store survey \
	upload wish
GIT := blob bytes certs entries export folder ignore lib links relative remote repository status tree walk
HOST := lists session session_hear spawn ssh_dial ssh_hub ssh_key ssh_relay ssh_said ssh_steps sweep
LOCAL := local observe run
SSH := lib
STORE := collect collect_fill collect_index collect_look collect_plan collect_s3 collect_s3_folder collect_s3_look commit dir gc index io job_holder job_lock lock \
	object record result s3_cache s3_gc s3_result s3_store spool store unpack writer
TASKS := input offer runner tasks
PROVIDERS := base_env dynlib inputs parallel state_dir $(ARCHIVE:%=archive/%) $(AWS:%=aws/%) \
	$(CONTAINER:%=container/%) $(CURL:%=curl/%) $(DOCTOR:%=doctor/%) $(EXPAT:%=expat/%) $(FLEET:%=fleet/%) $(GIT:%=git/%) \
	$(HOST:%=host/%) $(LOCAL:%=local/%) $(SSH:%=ssh/%) $(STORE:%=store/%) $(TASKS:%=tasks/%)
CMD := apply cloud_left commands completion config destroy doctor file find_store gc gc_cloud gc_store \
	help_text images in_place init interrupt kept leftovers logs manifest_file offers offers_table options out \
	place plan prepare record report report_boot report_json report_tree run run_dir runs saved_plan show_curve show_plan \
	status summary tail text trace validate view view_json view_plain view_tty why wishes wrap
RUNNER := alloc attach child conn dir fetch folder host host_build host_container host_engine host_image host_image_share host_lease \
	host_notice host_prepare host_runs host_share host_turn host_words imds lend main pack proc reap record seal serve \
	start stream tar task tell text tree_link tree_pack tree_unpack upload \
	upload_child

CORE_OBJ := $(BASE:%=planner/base/%.o) $(PLANNER:%=planner/%.o)
LIB_OBJ := $(CORE_OBJ) $(EXECUTE:%=planner/execute/%.o) $(PROVIDERS:%=providers/%.o) $(CMD:%=cmd/furrow/%.o)
RUNNER_OBJ := $(RUNNER:%=cmd/runner/%.o) planner/base/protocol.o planner/base/str.o

UNIT := $(patsubst %.c,%,$(wildcard tests/unit/test_*.c)) tests/plan/plan_test \
	$(patsubst %.c,%,$(wildcard tests/exec/test_*.c))
# The longest first, so that the others run beside it.
SLOW := tests/cli/40-kill.sh tests/cli/60-container.sh
CLOUD := $(wildcard tests/cloud/[0-9]*.sh)
FURROWS_CLOUD := $(filter-out tests/cloud/00-box.sh tests/cloud/1%-signatures.sh tests/cloud/1%-instances.sh tests/cloud/1%-prices.sh,$(CLOUD))
CLI := $(SLOW) $(filter-out $(SLOW),$(wildcard tests/cli/[0-9]*.sh))
FUZZ := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH := $(patsubst %.c,%,$(wildcard tests/bench/*.c))

ifneq ($(V),1)
Q := @
endif

all: $(B)/furrow $(B)/furrow-runner ## build furrow and furrow-runner (the default)

# The exported name: see providers/git/certs.c.
$(B)/furrow: $(B)/cmd/furrow/main.o $(B)/libfurrow.a
	$(Q)$(CC) $(CC_FLAGS) -pie $(LINK) -Wl,--export-dynamic-symbol=mbedtls_x509_crt_parse_file $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/furrow-runner: $(RUNNER_OBJ:%=$(B)/runner/%)
	$(Q)$(CC) $(CC_FLAGS) $(RUNNER_LINK) $(LINK) $(LDFLAGS) -o $@ $^
RUNNER_LINK ?= -static

# The runner for hosts on arm64. What hardens x86_64 alone is left out.
ARM64_CC ?= aarch64-linux-gnu-gcc
$(B)/furrow-runner-arm64: $(RUNNER_OBJ:%=$(B)/arm64/%)
	$(Q)$(ARM64_CC) -std=c17 $(ARM64_OPT) $(WARN) -pthread -static $(LINK) -o $@ $^
ARM64_OPT = -O2 -g $(filter-out -fcf-protection=full -enable%,$(HARDEN)) -mbranch-protection=standard

$(B)/arm64/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) $(CPPFLAGS) -std=c17 $(ARM64_OPT) $(WARN) -pthread -MMD -MP -c -o $@ $<

$(B)/libfurrow.a: $(LIB_OBJ:%=$(B)/%)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CC_FLAGS) -fPIE -MMD -MP -c -o $@ $<

$(B)/runner/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CC_FLAGS) -MMD -MP -c -o $@ $<

$(B)/tests/unit/test_tree: $(patsubst %,$(B)/cmd/runner/%.o,alloc dir tar tree_link tree_pack tree_unpack)

$(UNIT:%=$(B)/%): $(B)/%: $(B)/%.o $(B)/tests/exec/world.o $(B)/tests/plan/state.o \
		$(B)/libfurrow.a
	$(Q)$(CC) $(CC_FLAGS) -pie $(LDFLAGS) -o $@ $^ -lcmocka $(LIBS)

$(BENCH:%=$(B)/%): $(B)/%: $(B)/%.o $(B)/libfurrow.a
	$(Q)$(CC) $(CC_FLAGS) -pie $(LDFLAGS) -o $@ $^ $(LIBS)

# The delay line of EC2 in a box.
$(B)/tests/cloud/delay: tests/cloud/delay.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CC_FLAGS) -o $@ $<

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)

demo: deps all ## install what is missing, build, run examples/quickstart to its results
	@tests/demo $(B)

cloud: test-deps ## a shell in a cloud of its own: EC2 in a box, with hosts that really boot
	@$(MAKE) -s --no-print-directory -j$(JOBS) all $(B)/tests/cloud/delay
	@B=$(B) tests/cloud/box shell

# What is missing is installed with apt-get, through sudo when not root; nothing happens when all is there.
define install_packages
	@missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | \
		grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		[ "$$(id -u)" = 0 ] && sudo= || sudo=sudo; \
		echo "Installing $(2):" $$missing; \
		$$sudo apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing \
			>/dev/null || { echo "apt-get could not install them; see above" >&2; exit 1; }; \
	fi
endef

deps: ## install what a build needs (Debian packages)
	$(call install_packages,$(PACKAGES),what furrow is built with)
test-deps: deps
	@tests/cloud/before-install
	$(call install_packages,$(TEST_PACKAGES) $(ARM64_PACKAGES),what the tests need)
arm64-deps: deps
	$(call install_packages,$(ARM64_PACKAGES),what the runner for arm64 is built with)
check-deps: test-deps
	$(call install_packages,$(CHECK_PACKAGES),what the checks need)
bench-deps: test-deps
	$(call install_packages,$(BENCH_PACKAGES),what the benchmarks compare with)

arm64: arm64-deps ## furrow-runner-arm64, for tasks on arm64 instances; installs the cross compiler
	@$(MAKE) --no-print-directory -j$(JOBS) $(B)/furrow-runner-arm64

tests: all $(UNIT:%=$(B)/%) $(B)/tests/cloud/delay
test: test-deps ## install what is missing, build, run every test
	@$(MAKE) --no-print-directory -j$(JOBS) tests
	@B=$(B) KILLS=$(KILLS) tests/run -j $(TEST_JOBS) -t 1200 $(CLI) $(CLOUD) tests/check/headers.sh tests/check/floors.sh \
		$(UNIT:%=$(B)/%)

# The whole suite under a sanitizer, in a build folder of its own, but for what tests the box alone and runs no furrow. Warnings belong to the plain build: instrumented
# code gets false ones.
SAN_ENV = ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	LSAN_OPTIONS=suppressions=$(CURDIR)/tests/check/lsan.supp:print_suppressions=0 \
	TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
check-asan: ## the suite with address and undefined-behaviour sanitizers
	@$(SAN_ENV) $(MAKE) --no-print-directory test CLOUD='$(FURROWS_CLOUD)' B=$(B)-asan OPT='-O1 -g' WARN=-w RUNNER_LINK= \
		SAN='-fsanitize=address,undefined -fno-omit-frame-pointer'
check-tsan: ## the suite with the thread sanitizer
	@$(SAN_ENV) $(MAKE) --no-print-directory test CLOUD='$(FURROWS_CLOUD)' B=$(B)-tsan OPT='-O1 -g' WARN=-w RUNNER_LINK= \
		SAN='-fsanitize=thread'

fuzz: test-deps ## run each fuzz target for FUZZ_SECONDS (60)
	@$(MAKE) --no-print-directory -j$(JOBS) B=$(B)-fuzz CC=clang OPT='-O1 -g' \
		SAN='-fsanitize=address,undefined,fuzzer-no-link' $(FUZZ:%=$(B)-fuzz/%)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run -t 600 -l $(B)/fuzz-logs $(FUZZ:%=$(B)-fuzz/%.sh)
$(FUZZ:%=$(B)/%): $(B)/%: $(B)/tests/fuzz/%.o $(B)/libfurrow.a
	$(Q)$(CC) $(CC_FLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)
	@printf '#!/bin/sh\nexec tests/fuzz/run %s\n' $@ >$@.sh && chmod +x $@.sh

floors: ## includes run one way; the planner refers to nothing that reaches the world
	@$(MAKE) --no-print-directory all && B=$(B) tests/check/floors.sh

lint: check-deps ## cppcheck and clang-tidy
	@tests/check/lint.sh $(JOBS)
format-check: check-deps ## clang-format has nothing to say
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror

bench: bench-deps ## the table of speeds and sizes, beside what others take in the same run
	@$(MAKE) --no-print-directory -j$(JOBS) all $(BENCH:%=$(B)/%) $(B)/tests/cloud/delay
	@B=$(B) tests/bench/run

MAN := $(wildcard cmd/furrow/*.[15])
install: all ## furrow, furrow-runner, man pages and completions below PREFIX (/usr/local)
	install -D -t $(DESTDIR)$(PREFIX)/bin $(B)/furrow $(B)/furrow-runner
	if [ -e $(B)/furrow-runner-arm64 ]; then \
		install -t $(DESTDIR)$(PREFIX)/bin $(B)/furrow-runner-arm64; fi
	for m in $(MAN); do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(B)/furrow completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/furrow
	$(B)/furrow completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_furrow
	$(B)/furrow completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/furrow.fish

clean: ## remove the build folders
	rm -rf $(B) $(B)-asan $(B)-tsan $(B)-fuzz

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/:.*## /\t/' | \
		awk -F '\t' '{ printf "  make %-13s %s\n", $$1, $$2 }'

.PHONY: all demo cloud deps arm64-deps test-deps check-deps bench-deps arm64 test tests check-asan check-tsan fuzz \
	floors lint format-check bench install clean help
