# libserverless-dataflow. `make help` says what there is.

CC       ?= cc
CXX      ?= c++
AR       ?= ar
PREFIX   ?= /usr/local
DESTDIR  ?=
BUILD    ?= build
OPT      ?= -O2
SANITIZE ?=

VERSION  := 0.1.0
SOVER    := 0

ifneq ($(SANITIZE),)
BUILD    := $(BUILD)/$(subst $(comma),-,$(subst $(empty) ,-,$(SANITIZE)))
endif
