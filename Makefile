# libserverless-dataflow. `make help` says what there is.
#
# Rooms of lib/ are compiled whole; ROOMS="base spec" builds only some of them, and
# UNIT="base" only their unit tests, while others are under construction.

CC       ?= cc
CXX      ?= c++
PREFIX   ?= /usr/local
DESTDIR  ?=
BUILD    ?= build
OPT      ?= -O2
SANITIZE ?=

VERSION  := 0.1.0
SOVER    := 0
ROOMS    ?= base spec store shuffle exec worker transport sched plan observe driver api
UNIT     ?= $(notdir $(patsubst %/,%,$(wildcard tests/unit/*/)))

comma := ,
ifneq ($(SANITIZE),)
override BUILD := $(BUILD)/san-$(subst $(comma),-,$(SANITIZE))
SANFLAGS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer -DSDF_SANITIZE=1
endif

PACKAGES := libcurl libcrypto libcjson liblz4 libxxhash
CPPFLAGS += -Iinclude -Ilib -D_GNU_SOURCE
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unused-parameter
CFLAGS   += -std=gnu11 $(OPT) -g $(WARN) -fPIC -fvisibility=hidden -pthread -MMD -MP $(SANFLAGS)
LIBS     := -lcjson -llz4 -lxxhash -pthread -lm
LDFLAGS  += $(SANFLAGS)

LIB_C    := $(sort $(foreach r,$(ROOMS),$(wildcard lib/$(r)/*.c)))
LIB_O    := $(LIB_C:%.c=$(BUILD)/%.o)
INTERNAL := $(BUILD)/libsdf-internal.a
UNIT_C   := $(sort $(foreach u,$(UNIT),$(wildcard tests/unit/$(u)/test_*.c)))
UNIT_T   := $(UNIT_C:%.c=$(BUILD)/%)

.PHONY: all unit clean
all: $(INTERNAL)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(INTERNAL): $(LIB_O)
	@rm -f $@
	ar rcs $@ $(LIB_O)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(INTERNAL)
	$(CC) $(LDFLAGS) -o $@ $< $(INTERNAL) $(LIBS) -lcmocka

unit: $(UNIT_T)
	@set -e; for t in $(UNIT_T); do $$t; done

clean:
	rm -rf $(BUILD)

-include $(LIB_O:.o=.d) $(UNIT_T:=.d)
