# ponder - build file. `make help` lists the targets.
#
# Variables: MODE=release|debug   SAN=address,undefined|thread   CC=gcc|clang   PREFIX=/usr/local
#            DESTDIR=             V=1 shows the commands
#            EMBED=model.gguf     the model that becomes part of the program; EMBED= for none

VERSION := 0.1.0
SOVERSION := 0
MODE ?= release
SAN ?=
PREFIX ?= /usr/local
DESTDIR ?=
ifeq ($(origin CC),default)
CC := gcc
endif
EMBED ?= models/ponder-r1-small.gguf
EMBEDDED := $(wildcard $(EMBED))
ifneq ($(filter command environment,$(firstword $(origin EMBED))),)
$(if $(EMBED),$(if $(EMBEDDED),,$(error EMBED=$(EMBED): no such file)))
endif
comma := ,
B := build/$(MODE)$(if $(SAN),-$(subst $(comma),-,$(SAN)))$(if $(filter-out gcc,$(CC)),-$(notdir $(CC)))
Q := $(if $(V),,@)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla \
        -Wwrite-strings -Wpointer-arith -Wformat=2
OPT_release := -O2 -g -DNDEBUG
OPT_debug := -O1 -g -fno-omit-frame-pointer
LIBS := jansson libpcre2-8 libutf8proc libcurl libcrypto
CLI_LIBS := libedit
LIB_CFLAGS := $(shell pkg-config --cflags $(LIBS) $(CLI_LIBS) 2>/dev/null)
LIB_LDLIBS := $(shell pkg-config --libs $(LIBS) 2>/dev/null)
CPPFLAGS += -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -DPONDER_VERSION='"$(VERSION)"' -Iinclude -Isrc -I. -MMD -MP
ALLFLAGS = -std=c17 $(WARN) $(OPT_$(MODE)) -fPIC -fvisibility=hidden -ffp-contract=off \
           -fno-math-errno -fno-trapping-math -pthread \
           $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all) $(LIB_CFLAGS) $(CFLAGS)
CLI_LDLIBS := $(shell pkg-config --libs $(CLI_LIBS) 2>/dev/null)
ALGEBRA := -lcalcium -lantic -lflint-arb -lflint -lmpfr -lgmp
LDLIBS = $(LIB_LDLIBS) $(ALGEBRA) -lm -pthread

# ---- what is built ------------------------------------------------------------------------------

ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
KARCH := $(if $(filter x86_64,$(ARCH)),x86)$(if $(filter aarch64,$(ARCH)),arm)
MODULES := $(shell sed -n 's/^\([a-z]*\):.*/\1/p' src/LAYERS)
SRC := $(foreach m,$(filter-out cli,$(MODULES)),$(wildcard src/$(m)/*.c)) \
       $(wildcard src/reward/*/*.c) $(wildcard src/kern/ref/*.c) $(if $(KARCH),$(wildcard src/kern/$(KARCH)/*.c))
OBJ := $(SRC:%.c=$(B)/%.o)
CLI_OBJ := $(patsubst %.c,$(B)/%.o,$(wildcard src/cli/*.c))

UNIT := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/test_*.c tests/kern/test_*.c tests/prop/test_*.c \
        tests/model/test_*.c tests/api/test_*.c))
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_REPLAY := $(FUZZ_SRC:%.c=$(B)/%)
FUZZ_BIN := $(patsubst %.c,build/fuzz/%,$(FUZZ_SRC))
BENCH_BIN := $(patsubst %.c,$(B)/%,$(wildcard bench/*.c))

.PHONY: all
all: ponder $(B)/libponder.a $(B)/libponder.so ## build the program and the libraries (default)

ponder: $(B)/ponder
	$(Q)cp -f $< $@

# The only place in the tree where ISA flags stand.
X86_AVX2 := -mavx2 -mfma -mf16c
X86_AVX512 := $(X86_AVX2) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512
$(B)/src/kern/x86/%_avx2.o: ISA := -O3 $(X86_AVX2) -Wno-psabi
$(B)/src/kern/x86/%_avx512.o: ISA := -O3 $(X86_AVX512)
$(B)/src/kern/x86/%_vnni.o: ISA := -O3 $(X86_AVX512) -mavx512vnni
$(B)/src/kern/x86/%_bf16.o: ISA := -O3 $(X86_AVX512) -mavx512vnni -mavx512bf16
# Unrolled intrinsics compile for minutes under the sanitizers; tests/kern/ puts the operands of these
# kernels against unreadable pages instead.
$(B)/src/kern/x86/%.o: UNSAN := $(if $(SAN),-fno-sanitize=all)

$(B)/%.o: %.c
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALLFLAGS) $(ISA) $(UNSAN) $(CPPFLAGS) -c -o $@ $<

# The file's name is kept, so that the program is built again when another one is meant, or none.
$(B)/embedded.name: FORCE
	$(Q)mkdir -p $(@D); echo "$(EMBEDDED)" | cmp -s - $@ || echo "$(EMBEDDED)" > $@
$(B)/src/cli/embedded.o: CPPFLAGS += $(if $(EMBEDDED),-DPONDER_EMBEDDED='"$(EMBEDDED)"')
$(B)/src/cli/embedded.o: $(B)/embedded.name $(EMBEDDED)
.PHONY: FORCE
FORCE:

$(B)/libponder-internal.a: $(OBJ) # for our own program and tests: every name visible
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/libponder.a: $(OBJ) # for embedders: internal names made local
	$(Q)$(LD) -r -o $(B)/libponder.o $^ && objcopy --localize-hidden $(B)/libponder.o
	$(Q)rm -f $@ && $(AR) rcs $@ $(B)/libponder.o

$(B)/libponder.so: $(OBJ)
	$(Q)$(CC) $(ALLFLAGS) -shared -Wl,-soname,libponder.so.$(SOVERSION) -Wl,-z,defs -o $@ $^ $(LDLIBS)

$(B)/ponder: $(CLI_OBJ) $(B)/libponder-internal.a
	$(Q)$(CC) $(ALLFLAGS) -o $@ $^ $(LDLIBS) $(CLI_LDLIBS)

# ---- tests --------------------------------------------------------------------------------------

$(B)/tests/%: $(B)/tests/%.o $(B)/libponder-internal.a
	$(Q)$(CC) $(ALLFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/driver.o $(B)/libponder-internal.a
	$(Q)$(CC) $(ALLFLAGS) -o $@ $^ $(LDLIBS)
$(B)/bench/%: $(B)/bench/%.o $(B)/libponder-internal.a
	$(Q)$(CC) $(ALLFLAGS) -o $@ $^ $(LDLIBS)
# The program around a model with random weights, for tests/cli/test_embedded.
$(B)/tests/embed/random.gguf: | $(B)/ponder
	$(Q)mkdir -p $(@D)
	$(Q)$(B)/ponder init tiny-qwen2 $@ --type q8_0 -t 1
$(B)/tests/embed/embedded.o: src/cli/embedded.c $(B)/tests/embed/random.gguf
	$(Q)$(CC) $(ALLFLAGS) $(CPPFLAGS) -DPONDER_EMBEDDED='"$(B)/tests/embed/random.gguf"' -c -o $@ $<
$(B)/tests/embed/ponder: $(B)/tests/embed/embedded.o $(filter-out %/embedded.o,$(CLI_OBJ)) $(B)/libponder-internal.a
	$(Q)$(CC) $(ALLFLAGS) -o $@ $^ $(LDLIBS) $(CLI_LDLIBS)
# Keeps the objects of test programs. Not .SECONDARY for everything: then a program of another MODE that is
# newer than these objects would count as made.
.PRECIOUS: $(B)/%.o

.PHONY: test test-build check san fuzz bench run demo-smollm2 zero deps help clean install uninstall format
test-build: ponder $(B)/tests/embed/ponder $(UNIT) $(FUZZ_REPLAY) all
test: deps ## install what is missing, build, and run every test
	$(Q)$(MAKE) --no-print-directory -j2 test-build check
	$(Q)tools/run-tests $(B)

check: all ## module layers, exported names, wide registers only in kernels
	$(Q)tools/check-layers
	$(Q)tools/check-symbols $(B)
	$(Q)tools/check-isa $(B)

san: ## run the tests under address and undefined-behaviour sanitizers
	$(Q)$(MAKE) --no-print-directory -j2 MODE=debug SAN=address,undefined test-build
	$(Q)tools/run-tests build/debug-address-undefined

FUZZ_SECONDS ?= 60
# Fuzzing needs clang's libFuzzer; everything is built again with its coverage instrumentation.
build/fuzz/tests/fuzz/%: tests/fuzz/%.c $(SRC)
	$(Q)$(MAKE) --no-print-directory CC=clang MODE=debug SAN=fuzzer-no-link,address,undefined \
	  build/debug-fuzzer-no-link-address-undefined-clang/libponder-internal.a
	$(Q)mkdir -p $(@D)
	$(Q)clang -std=c17 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(CPPFLAGS) \
	  $(LIB_CFLAGS) -o $@ $< build/debug-fuzzer-no-link-address-undefined-clang/libponder-internal.a $(LDLIBS)
fuzz: $(FUZZ_BIN) ## fuzz every parser for FUZZ_SECONDS (60) each; crashes go to tests/fuzz/corpus
	$(Q)for f in $(FUZZ_BIN); do t=$${f##*/fuzz_}; mkdir -p tests/fuzz/corpus/$$t build/fuzz/new/$$t; \
	  $$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=10 -print_final_stats=0 \
	    -artifact_prefix=tests/fuzz/corpus/$$t/ build/fuzz/new/$$t tests/fuzz/corpus/$$t || exit 1; done

# ---- run ----------------------------------------------------------------------------------------

deps: ## install missing Debian packages
	$(Q)tools/deps

run: deps ## build everything and answer a question (MODEL=path PROMPT=text)
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)tools/run-demo "$(or $(MODEL),$(if $(EMBEDDED),embedded,smollm2))" "$(PROMPT)"

demo-smollm2: deps ## the same with SmolLM2-135M, fetched once
	$(Q)$(MAKE) --no-print-directory -j2 all
	$(Q)tools/run-demo smollm2 "$(PROMPT)"

zero: all ## a model learns to reason from rewards alone: 20 minutes on two cores, under build/zero
	$(Q)./ponder train recipes/zero.json --out build/zero

bench: all $(BENCH_BIN) ## measure speed against this machine's limits
	$(Q)tools/bench $(B)

install: all ## install program, libraries, header and pkg-config file under PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/ponder
	install -m 755 $(B)/ponder $(DESTDIR)$(PREFIX)/bin/ponder
	install -m 644 include/ponder/*.h $(DESTDIR)$(PREFIX)/include/ponder/
	install -m 644 $(B)/libponder.a $(DESTDIR)$(PREFIX)/lib/libponder.a
	install -m 755 $(B)/libponder.so $(DESTDIR)$(PREFIX)/lib/libponder.so.$(VERSION)
	ln -sf libponder.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libponder.so.$(SOVERSION)
	ln -sf libponder.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libponder.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LDLIBS)|' tools/ponder.pc.in \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/ponder.pc

uninstall: ## remove what install put under PREFIX
	rm -f $(DESTDIR)$(PREFIX)/bin/ponder $(DESTDIR)$(PREFIX)/lib/libponder.* \
	  $(DESTDIR)$(PREFIX)/lib/pkgconfig/ponder.pc
	rm -rf $(DESTDIR)$(PREFIX)/include/ponder

format: ## apply .clang-format to every C file
	clang-format -i $$(git ls-files '*.c' '*.h')

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

clean: ## remove everything built
	rm -rf build ponder

-include $(shell find build -name '*.d' 2>/dev/null)
