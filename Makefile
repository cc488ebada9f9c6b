# libserverless-dataflow. `make help` says what there is.
#
# The rooms of lib/ are compiled whole. While one is under construction, ROOMS="base spec" builds only some of them
# and UNIT="base" only their unit tests.

CC       ?= cc
CXX      ?= c++
PREFIX   ?= /usr/local
DESTDIR  ?=
BUILD    ?= build
OPT      ?= -O2
SANITIZE ?=
INPUT    ?= /usr/share/common-licenses

V        ?= 0

ifeq ($(V),0)
.SILENT:
say       = @echo "$(1) $(patsubst $(BUILD)/%,%,$@)"
endif

VERSION  := $(shell awk '/define SDF_VERSION_/ { v = v d $$3; d = "." } END { print v }' include/sdf/base.h)
SOVER    := 0
ROOMS    ?= base codec spec expr store shuffle exec worker transport sched plan observe driver api
UNIT     ?= $(notdir $(patsubst %/,%,$(wildcard tests/unit/*/)))

comma := ,
ifneq ($(SANITIZE),)
override BUILD := $(BUILD)/san-$(subst $(comma),-,$(SANITIZE))
# A worker under the thread sanitizer would sleep a second at its end.
export TSAN_OPTIONS ?= atexit_sleep_ms=0
SANFLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -DSDF_SANITIZE=1
endif

CPPFLAGS += -Iinclude -Ilib -D_GNU_SOURCE
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter
# Call frames are in the debug information; the stripped library does without tables for unwinding (a seventh of it).
UNWIND   := -fno-asynchronous-unwind-tables
CFLAGS   += -std=gnu11 $(SPEED) -g $(UNWIND) $(WARN) -fPIC -fvisibility=hidden -pthread -MMD -MP $(SANFLAGS)
LIBS     := -lcjson -lpcre2-8 -lisal -lzstd -llz4 -lbz2 -pthread -ldl -lm
LDFLAGS  += $(SANFLAGS)

# What runs once for each job, task or file, and not for each record, is made small rather than fast.
COLD     := api/% driver/% observe/% plan/% sched/% store/% transport/% worker/% spec/plan% spec/task% spec/de% \
            expr/bind expr/check expr/functions expr/lexer expr/parse expr/print expr/tree expr/types expr/why \
            base/error% base/nearest base/options base/path base/remove_tree base/version% \
            exec/builtin_args exec/builtin_bind exec/builtins exec/call exec/error_log exec/file_output \
            exec/format_columns exec/part_writer
SPEED     = $(if $(filter $(COLD:%=$(BUILD)/lib/%.o),$@),$(OPT:-O2=-Os),$(OPT))

LIB_C    := $(sort $(foreach r,$(ROOMS),$(wildcard lib/$(r)/*.c)))
LIB_O    := $(LIB_C:%.c=$(BUILD)/%.o)
SHARED   := $(BUILD)/libserverless-dataflow.so.$(VERSION)
STATIC   := $(BUILD)/libserverless-dataflow.a
INTERNAL := $(BUILD)/libsdf-internal.a
PC       := pkgconfig/serverless-dataflow.pc.in
EXAMPLES := $(patsubst examples/%.c,%,$(filter-out examples/common.c,$(wildcard examples/*.c)))
EXAMPLE_T := $(EXAMPLES:%=$(BUILD)/examples/%)
PROGRAMS := $(patsubst src/%.c,$(BUILD)/%,$(wildcard src/*.c))

UNIT_C   := $(sort $(foreach u,$(UNIT),$(wildcard tests/unit/$(u)/test_*.c)))
UNIT_T   := $(UNIT_C:%.c=$(BUILD)/%)
SIM_C    := $(wildcard tests/sim/*.c)
SIM      := $(if $(SIM_C),$(BUILD)/tests/sim/sdf-sim)
PROPERTY_C := $(wildcard tests/property/*.c)
PROPERTY := $(BUILD)/tests/property/sdf-property
HELPER_T := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/programs/*.c))
BENCH_T  := $(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c))

.PHONY: help all lib examples setup setup-test demo test test-programs check unit sim property e2e checks soak bench install uninstall clean
.DEFAULT_GOAL := all

help:
	@echo "make            the library (shared and static), the programs and the examples, in $(BUILD)/"
	@echo "make demo       installs what is missing, builds, counts the words of INPUT=$(INPUT)"
	@echo "make test       installs what is missing, builds and runs all tests"
	@echo "make check      the tests alone; unit, sim, property, e2e, checks are its parts"
	@echo "make soak       thousands of random lineages and histories (CASES=$(CASES) FIRST=$(FIRST))"
	@echo "make bench      measures; docs/performance.md says what (BENCH_SIZE=small|full)"
	@echo "make install    into DESTDIR=$(DESTDIR) PREFIX=$(PREFIX); make uninstall takes it away"
	@echo "make clean      removes $(BUILD)/"
	@echo "variables: CC CXX OPT=$(OPT) BUILD=$(BUILD) SANITIZE=address,undefined|thread V=1 (show commands)"

all: lib examples $(PROGRAMS)
lib: $(SHARED) $(STATIC)
examples: $(EXAMPLE_T)

# ---- objects and libraries ----

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(INTERNAL): $(LIB_O)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR)
	ar rcs $@ $(LIB_O)

# Only what lib/sdf.map names is seen.
$(SHARED): $(LIB_O) lib/sdf.map
	$(call say,LD)
	$(CC) -shared $(LDFLAGS) -Wl,-soname,libserverless-dataflow.so.$(SOVER) -Wl,--version-script,lib/sdf.map \
	    -Wl,--no-undefined -o $@ $(LIB_O) $(LIBS) $(SANFLAGS)
	ln -sf $(@F) $(BUILD)/libserverless-dataflow.so.$(SOVER)
	ln -sf $(@F) $(BUILD)/libserverless-dataflow.so

# One object whose hidden names are local, so that the library's own names can't clash with a host's.
$(STATIC): $(LIB_O)
	@rm -f $@
	$(call say,AR)
	ld -r -o $(BUILD)/sdf-all.o $(LIB_O)
	objcopy --localize-hidden $(BUILD)/sdf-all.o
	ar rcs $@ $(BUILD)/sdf-all.o

# ---- programs ----

$(BUILD)/examples/%: $(BUILD)/examples/%.o $(BUILD)/examples/common.o $(STATIC)
	$(call say,LD)
	$(CC) $(LDFLAGS) -o $@ $< $(BUILD)/examples/common.o $(STATIC) $(LIBS)

$(BUILD)/sdf-%: $(BUILD)/src/sdf-%.o $(STATIC)
	$(call say,LD)
	$(CC) $(LDFLAGS) -rdynamic -o $@ $< -Wl,--whole-archive $(STATIC) -Wl,--no-whole-archive $(LIBS)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(INTERNAL)
	$(call say,LD)
	$(CC) $(LDFLAGS) -rdynamic -o $@ $< $(INTERNAL) $(LIBS) -lcmocka

$(SIM): $(SIM_C:%.c=$(BUILD)/%.o) $(INTERNAL)
	$(call say,LD)
	$(CC) $(LDFLAGS) -o $@ $(SIM_C:%.c=$(BUILD)/%.o) $(INTERNAL) $(LIBS)

$(PROPERTY): $(PROPERTY_C:%.c=$(BUILD)/%.o) $(STATIC)
	$(call say,LD)
	$(CC) $(LDFLAGS) -o $@ $(PROPERTY_C:%.c=$(BUILD)/%.o) $(STATIC) $(LIBS)

$(BUILD)/tests/programs/%: $(BUILD)/tests/programs/%.o $(STATIC)
	$(call say,LD)
	$(CC) $(LDFLAGS) -o $@ $< $(STATIC) $(LIBS)

$(BUILD)/bench/%: $(BUILD)/bench/%.o $(INTERNAL)
	$(call say,LD)
	$(CC) $(LDFLAGS) -o $@ $< $(INTERNAL) $(LIBS)

# ---- the two commands of a new machine: what they build they build on all cores, tests run one after another ----

JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

setup:
	@scripts/setup.sh build

setup-test:
	@scripts/setup.sh build test

demo: setup
	@$(MAKE) $(JOBS) --no-print-directory -s $(BUILD)/examples/wordcount
	@$(BUILD)/examples/wordcount --transport process:$$(nproc) --store file:$(BUILD)/demo-store \
	    --progress --summary --top 20 "$(INPUT)"

test: setup-test
	@$(MAKE) $(JOBS) --no-print-directory all test-programs
	@$(MAKE) --no-print-directory check

# ---- tests ----

check: all unit sim property e2e checks
	@echo "all tests passed"

test-programs: $(UNIT_T) $(SIM) $(PROPERTY) $(HELPER_T)

unit: $(UNIT_T)
	@set -e; for t in $(UNIT_T); do echo "== $${t#$(BUILD)/}"; $$t; done

sim: $(SIM)
	@$(if $(SIM),$(SIM) --histories $(if $(SANITIZE),150,1000))

property: $(PROPERTY)
	@$(PROPERTY) --cases $(if $(SANITIZE),60,400)

# Another seed each time: what fails prints the one it had.
CASES ?= 5000
FIRST ?= $(shell date +%s)0000
soak: all $(SIM) $(PROPERTY)
	@$(PROPERTY) --cases $(CASES) --first $(FIRST)
	@$(SIM) --histories $(CASES) --first $(FIRST)

e2e: all $(HELPER_T)
	@BUILD=$(BUILD) SANITIZE=$(SANITIZE) python3 -B tests/e2e/run.py

checks: all $(HELPER_T) $(BUILD)/tests/unit/spec/test_plan
	@BUILD=$(BUILD) SANITIZE=$(SANITIZE) CC="$(CC)" CXX="$(CXX)" tests/checks/run.sh

bench: setup-test
	@$(MAKE) --no-print-directory -s all $(BENCH_T)
	@BUILD=$(BUILD) python3 -B bench/run.py

# ---- installation ----

INCLUDEDIR = $(DESTDIR)$(PREFIX)/include/sdf
LIBDIR     = $(DESTDIR)$(PREFIX)/lib
FILL_IN    = -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LIBS)|'

install: lib $(PROGRAMS)
	install -d $(INCLUDEDIR)/sys $(LIBDIR)/pkgconfig $(LIBDIR)/cmake/sdf $(DESTDIR)$(PREFIX)/bin
	install -m 644 include/sdf/*.h $(INCLUDEDIR)
	install -m 644 include/sdf/sys/*.h $(INCLUDEDIR)/sys
	install -m 755 $(SHARED) $(LIBDIR)
	ln -sf $(notdir $(SHARED)) $(LIBDIR)/libserverless-dataflow.so.$(SOVER)
	ln -sf $(notdir $(SHARED)) $(LIBDIR)/libserverless-dataflow.so
	install -m 644 $(STATIC) $(LIBDIR)
	sed $(FILL_IN) $(PC) > $(LIBDIR)/pkgconfig/serverless-dataflow.pc
	sed $(FILL_IN) cmake/sdf-config.cmake.in > $(LIBDIR)/cmake/sdf/sdf-config.cmake
	sed $(FILL_IN) cmake/sdf-config-version.cmake.in > $(LIBDIR)/cmake/sdf/sdf-config-version.cmake
	$(if $(PROGRAMS),install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin)
# The loader finds what lies in /usr/local/lib by its cache only.
	if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ] && command -v ldconfig >/dev/null; then ldconfig; fi

uninstall:
	rm -rf $(INCLUDEDIR) $(LIBDIR)/cmake/sdf
	rm -f $(LIBDIR)/libserverless-dataflow.* $(LIBDIR)/pkgconfig/serverless-dataflow.pc
	rm -f $(PROGRAMS:$(BUILD)/%=$(DESTDIR)$(PREFIX)/bin/%)

clean:
	rm -rf $(BUILD)

.SECONDARY:
-include $(LIB_O:.o=.d) $(UNIT_C:%.c=$(BUILD)/%.d) $(wildcard $(BUILD)/examples/*.d $(BUILD)/tests/*/*.d $(BUILD)/bench/*.d $(BUILD)/src/*.d)
