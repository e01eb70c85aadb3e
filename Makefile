# Cairn. `make run` tries it out, `make check` runs every test; both install what is missing (tools/bootstrap).
# Variants: BUILD=release (default), check (warnings are errors, ASan and UBSan), tsan, fuzz (clang's libFuzzer, ASan and UBSan).
# Each has its own folder below build/.

BUILD   ?= release
CC      := $(if $(filter fuzz,$(BUILD)),clang,gcc)
AR      := ar
B       := build/$(BUILD)
ifeq ($(BUILD),release)
B       := build
endif

WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion
CFLAGS_release := -O2 -g
CFLAGS_check   := -O1 -g -Werror -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_tsan    := -O1 -g -Werror -fsanitize=thread -fno-omit-frame-pointer
CFLAGS_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_check  := -fsanitize=address,undefined
LDFLAGS_tsan   := -fsanitize=thread
LDFLAGS_fuzz   := -fsanitize=address,undefined
CFLAGS  := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. $(WARN) $(CFLAGS_$(BUILD)) -pthread
LDFLAGS := $(LDFLAGS_$(BUILD)) -pthread

# A library is the C files of its folders; a program's main file stands apart from them.
SRC_base     := $(wildcard objstore/base/*.c)
SRC_objstore := $(wildcard objstore/*.c objstore/ec/*.c objstore/drive/*.c objstore/index/*.c objstore/data/*.c \
                  objstore/namespace/*.c objstore/repair/*.c)
SRC_wire     := $(wildcard server/wire/*.c)
SRC_server   := $(filter-out server/cairnd.c,$(wildcard server/*.c server/net/*.c server/http/*.c server/s3/*.c \
                  server/posix/*.c server/auth/*.c server/admin/*.c))
SRC_fs       := $(filter-out fs/cairnfs.c,$(wildcard fs/*.c))
SRC_s3client := $(wildcard fs/s3/*.c)
SRC_support  := $(wildcard tests/support/*.c)
LIBS := base objstore wire server fs s3client support

LIBS_base     := -lcrypto -lisal -lxxhash
LIBS_objstore := -llmdb -lisal -lxxhash
LIBS_wire     := -lexpat -lcrypto
LIBS_server   := -lssl -lcrypto -ljansson
LIBS_s3client := -lcurl
FUSE_CFLAGS   := -I/usr/include/fuse3
LIBS_fuse     := -lfuse3

PROGRAMS := $(patsubst %,$(B)/%,$(notdir $(basename $(wildcard server/cairnd.c fs/cairnfs.c tools/cairn.c))))

.SECONDARY:
.PHONY: all
all: $(PROGRAMS)

define LIBRARY
OBJ_$(1) := $$(patsubst %.c,$(B)/obj/%.o,$$(SRC_$(1)))
$(B)/lib$(1).a: $$(OBJ_$(1))
	@rm -f $$@
	@$(AR) rcs $$@ $$(OBJ_$(1))
endef
$(foreach l,$(LIBS),$(eval $(call LIBRARY,$(l))))

$(B)/obj/fs/%.o $(B)/obj/tests/unit/fs_%.o $(B)/obj/tests/fuzz/fuzz_fs_%.o $(B)/obj/tests/support/fuse_%.o $(B)/obj/tests/crash/%.o: CFLAGS += $(FUSE_CFLAGS)
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo CC $<
	@$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/cairnd: $(B)/obj/server/cairnd.o $(B)/libserver.a $(B)/libwire.a $(B)/libobjstore.a $(B)/libbase.a
	@echo LD $@
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_server) $(LIBS_objstore) $(LIBS_wire) $(LIBS_base)
$(B)/cairnfs: $(B)/obj/fs/cairnfs.o $(B)/libfs.a $(B)/libs3client.a $(B)/libwire.a $(B)/libbase.a
	@echo LD $@
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_fuse) $(LIBS_s3client) $(LIBS_wire) $(LIBS_base)
$(B)/cairn: $(B)/obj/tools/cairn.o $(B)/libs3client.a $(B)/libwire.a $(B)/libbase.a
	@echo LD $@
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_s3client) $(LIBS_wire) $(LIBS_base) -ljansson

# Unit tests, Criterion. Of the daemon's side and of the mount's, which never meet in one program. `make check` runs each side
# as one program; for whoever works on a part there is one per file.
UNIT_SRC_mount  := $(wildcard tests/unit/fs_*.c)
UNIT_SRC_daemon := $(filter-out $(UNIT_SRC_mount),$(wildcard tests/unit/*.c))
UNIT_LIBS_mount  := $(foreach l,support fs s3client wire base,$(B)/lib$(l).a)
UNIT_LIBS_daemon := $(foreach l,support server wire objstore base,$(B)/lib$(l).a)
UNIT_LINK_mount  := $(LIBS_fuse) $(LIBS_s3client) $(LIBS_wire) $(LIBS_base) -lssl
UNIT_LINK_daemon := $(LIBS_server) $(LIBS_objstore) $(LIBS_wire) $(LIBS_base)

define UNIT_SIDE
$(B)/tests/unit/all-$(1): $(patsubst %.c,$(B)/obj/%.o,$(UNIT_SRC_$(1))) $(UNIT_LIBS_$(1))
	@mkdir -p $$(@D)
	@echo LD $$@
	@$(CC) $(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $(UNIT_LIBS_$(1)) -Wl,--end-group -lcriterion $(UNIT_LINK_$(1))
$(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(UNIT_SRC_$(1))): $(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(UNIT_LIBS_$(1))
	@mkdir -p $$(@D)
	@echo LD $$@
	@$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $(UNIT_LIBS_$(1)) -Wl,--end-group -lcriterion $(UNIT_LINK_$(1))
endef
$(foreach side,mount daemon,$(eval $(call UNIT_SIDE,$(side))))

UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*.c))
.PHONY: unit
unit: $(UNIT)
	tools/run-unit $(UNIT)

# Fuzz drivers, linked with the same sides as unit tests are: fuzz_fs_* with the mount's, the others with the daemon's. BUILD=fuzz makes them
# with libFuzzer (make fuzz runs each for FUZZ_SECONDS); in any other variant they are programs that replay a corpus (make fuzz-drivers).
FUZZ_SRC_mount  := $(wildcard tests/fuzz/fuzz_fs_*.c)
FUZZ_SRC_daemon := $(filter-out $(FUZZ_SRC_mount),$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_MAIN := $(if $(filter fuzz,$(BUILD)),,$(B)/obj/tests/fuzz/standalone.o)

define FUZZ_SIDE
$(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(FUZZ_SRC_$(1))): $(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%.o $(FUZZ_MAIN) $(UNIT_LIBS_$(1))
	@mkdir -p $$(@D)
	@echo LD $$@
	@$(CC) $(if $(FUZZ_MAIN),,-fsanitize=fuzzer) $(LDFLAGS) -o $$@ $$< $(FUZZ_MAIN) -Wl,--start-group $(UNIT_LIBS_$(1)) -Wl,--end-group $(UNIT_LINK_$(1))
endef
$(foreach side,mount daemon,$(eval $(call FUZZ_SIDE,$(side))))

FUZZ ?= $(sort $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_SECONDS ?= 60
.PHONY: fuzz-drivers fuzz
fuzz-drivers: $(FUZZ:%=$(B)/tests/fuzz/%)
fuzz:
	tools/bootstrap check
	$(MAKE) -j$$(nproc) BUILD=fuzz fuzz-drivers
	tools/fuzz run $(FUZZ_SECONDS) $(FUZZ)

# What the tests of crashes start beside the daemon.
CRASH := $(patsubst tests/crash/%.c,$(B)/tests/crash/%,$(wildcard tests/crash/*.c))
$(B)/tests/crash/%: $(B)/obj/tests/crash/%.o $(foreach l,support objstore base,$(B)/lib$(l).a)
	@mkdir -p $(@D)
	@echo LD $@
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_fuse) $(LIBS_objstore) $(LIBS_base)
.PHONY: crash-programs
crash-programs: $(CRASH)

# Measurements: small programs that print figures, and tools/bench, which runs them all against their yardsticks.
BENCH := $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(wildcard tests/bench/*.c))
$(B)/tests/bench/channel_bench: $(B)/obj/tests/bench/channel_bench.o $(foreach l,s3client wire base,$(B)/lib$(l).a)
	@mkdir -p $(@D)
	@echo LD $@
	@$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_s3client) $(LIBS_wire) $(LIBS_base)
$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(foreach l,support server wire objstore base,$(B)/lib$(l).a)
	@mkdir -p $(@D)
	@echo LD $@
	@$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
	  $(LIBS_server) $(LIBS_objstore) $(LIBS_wire) $(LIBS_base)

.PHONY: run check check-long bench
run:
	tools/bootstrap build
	$(MAKE) -j$$(nproc) all
	tools/demo
check:
	tools/bootstrap check
	mkdir -p build && tools/check
check-long:
	tools/bootstrap long
	$(MAKE) -j$$(nproc) all
	/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/long
bench:
	tools/bootstrap bench
	$(MAKE) -j$$(nproc) all
	/usr/bin/python3 tests/bench/bench.py --report tests/bench/results

PREFIX ?= /usr/local
.PHONY: install
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/man/man1 \
	  $(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	ln -sf ../bin/cairnfs $(DESTDIR)$(PREFIX)/sbin/mount.cairn
	install -m 644 tools/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 tools/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	for unit in tools/deploy/*.service; do \
	  sed 's,@PREFIX@,$(PREFIX),' $$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/$$(basename $$unit); done

.PHONY: clean
clean:
	rm -rf build

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
