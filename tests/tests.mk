# SPDX-License-Identifier: Apache-2.0
# The checks behind make check. Each can be run alone; all exit non-zero when they fail.
export CB_SRC := $(CURDIR)
export CB_BUILD := $(abspath $(O))
export CC

FUZZ_SECONDS ?= 60
# tests of tests/t to run: make check-tools T='tests/t/13*.t'
T ?= $(wildcard tests/t/*.t)
JOBS ?= 2

# unit tests and fuzz targets link every layer, lowest last (or what unit_order names)
all_layers := live tell verify deliver alert sign draw export detect track nn log store rtsp media codec conf tls wire crypto cli sandbox base
unit_order ?= $(foreach l,$(filter-out cli,$(all_layers)),$(filter $(l),$(LIBS)))
UNIT := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
AIDS := $(O)/aid/mkstream $(O)/aid/faultio.so $(O)/aid/fakeclock.so $(O)/aid/countcalls.so $(O)/aid/fakev4l2.so $(O)/aid/cb-skel $(O)/aid/without
comma := ,
blank := $() $()
TOOL_TABLE := $(foreach t,$(TOOLS) $(HELPERS),$(t):$(subst $(blank),$(comma),$(strip $($(t)_LIBS))))

$(O)/unit/%: $(O)/obj/tests/unit/%.o $(unit_order:%=$(O)/lib/lib%.a)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,$(unit_order)) $(LDLIBS)
$(O)/fuzz/%: $(O)/obj/tests/fuzz/fuzz_%.o $(O)/obj/tests/fuzz/replay.o $(unit_order:%=$(O)/lib/lib%.a)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,$(unit_order)) $(LDLIBS)

# what shell tests use: a maker of frame streams, faults on demand, the template tool
$(O)/aid/mkstream: $(O)/obj/tests/mkstream.o $(O)/lib/libwire.a $(O)/lib/libcrypto.a $(O)/lib/libbase.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,crypto) $(LDLIBS)
$(O)/aid/cb-skel: $(O)/obj/examples/skel/cb-skel.o $(O)/lib/libcli.a $(O)/lib/libsandbox.a \
		$(O)/lib/libwire.a $(O)/lib/libcrypto.a $(O)/lib/libbase.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,crypto) $(LDLIBS)
# an older kernel
$(O)/aid/without: $(O)/obj/tests/without.o
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(LDLIBS)
# a preloaded object cannot bring a sanitizer's runtime of its own
$(O)/aid/%.so: tests/%.c $(O)/flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu17 -D_GNU_SOURCE $(cb_warn) -O2 -fPIC -shared -o $@ $< -ldl

# lib/nn beside a plain reference and Debian's libdarknet (tests/t/2000-nn.t); the latter is
# for a program of its own, without sanitizers, and only where the package is there
AIDS += $(O)/aid/nn-conform $(if $(wildcard /usr/lib/darknet/include/darknet.h),$(O)/aid/nn-darknet)
$(O)/aid/nn-conform: $(O)/obj/tests/nn/conform.o $(O)/obj/tests/nn/kinds.o $(O)/obj/tests/nn/shapes.o \
		$(O)/obj/tests/nn/ref.o \
		$(O)/lib/libnn.a $(O)/lib/libwire.a \
		$(O)/lib/libcrypto.a $(O)/lib/libbase.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,nn crypto) $(LDLIBS)
# what a run asks of the system; models damaged at random (2220-model-mutate.t, make robustness)
nn_aids := $(O)/aid/nn-steady $(O)/aid/nn-mutate
AIDS += $(nn_aids)
$(nn_aids): $(O)/aid/nn-%: $(O)/obj/tests/nn/%.o $(O)/lib/libnn.a $(O)/lib/libwire.a $(O)/lib/libcrypto.a \
		$(O)/lib/libbase.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,nn crypto) $(LDLIBS)
$(O)/aid/nn-darknet: tests/nn/darknet.c $(O)/flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu17 -D_GNU_SOURCE -Wall -O1 -I/usr/lib/darknet/include -o $@ $< -ldl

# changes byte after byte of evidence, and verifies it (2700-verify.t, make robustness)
AIDS += $(O)/aid/flip $(O)/aid/forge $(O)/aid/tree $(if $(SANITIZE),,$(O)/static/cb-verify)
$(O)/aid/flip $(O)/aid/forge $(O)/aid/tree: $(O)/aid/%: $(O)/obj/tests/verify/%.o $(filter-out %/libcli.a,$(cb-verify_LIBS:%=$(O)/lib/lib%.a))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,crypto) $(LDLIBS)

# proofs of every small tree (2400-audit.t)
AIDS += $(O)/aid/log-proofs
$(O)/aid/log-proofs: $(O)/obj/tests/log/proofs.o $(O)/lib/liblog.a $(O)/lib/libwire.a $(O)/lib/libcrypto.a \
		$(O)/lib/libbase.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,crypto) $(LDLIBS)

# alerts into a spool and to sinks (28*.t)
AIDS += $(O)/aid/deliver-put
$(O)/aid/deliver-put: $(O)/obj/tests/deliver/put.o $(foreach l,$(cb-deliver_LIBS),$(O)/lib/lib$(l).a)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,$(cb-deliver_LIBS)) $(LDLIBS)

# RTP packets in, access units out (1150-depay.t)
AIDS += $(O)/aid/depay
$(O)/aid/depay: $(O)/obj/tests/rtsp/depay.o $(O)/lib/librtsp.a $(O)/lib/libcodec.a $(O)/lib/libwire.a \
		$(O)/lib/libcrypto.a $(O)/lib/libbase.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,crypto) $(LDLIBS)

$(O)/bench/json: LDLIBS += -ljson-c
$(O)/bench/%: $(O)/obj/tests/bench/%.o $(unit_order:%=$(O)/lib/lib%.a)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) $(call extern,$(unit_order)) $(LDLIBS)

# --- make check --------------------------------------------------------------------------------
# Set-up first, then everything in a make of its own, because what the compiler can do is
# asked when a makefile is read. Where sanitizers are in, the checks of the shipped ELF files
# and of the tree's text would say nothing new and are left to the plain run.

checks := check-layers check-headers check-scripts check-man check-completions check-needed check-sbom
ifdef SANITIZE
checks :=
endif

check:
	$(Q)scripts/deps check
	$(Q)$(MAKE) --no-print-directory check-all
check-all: $(checks) check-tests
check-tests: all $(UNIT) $(FUZZ:%=$(O)/fuzz/%) $(AIDS)
	$(Q)prove --timer -j$(JOBS) --exec tests/run $(UNIT) $(FUZZ:%=$(O)/fuzz/%) $(T)
check-unit: $(UNIT) $(FUZZ:%=$(O)/fuzz/%)
	$(Q)prove --timer -j$(JOBS) --exec tests/run $(UNIT) $(FUZZ:%=$(O)/fuzz/%)
check-tools: all $(AIDS)
	$(Q)prove --timer -j$(JOBS) --exec tests/run $(T)
check-layers:
	$(Q)scripts/check-layers
check-headers: $(O)/flags
	$(Q)n=0; for h in lib/*/*.h tests/unit/tap.h; do n=$$((n + 1)); \
		printf '#include "%s"\n' "$$h" | $(CC) $(cb_cflags) -Werror -I. -x c -fsyntax-only - || exit 1; \
	done; echo "headers: $$n compile alone"
check-scripts:
	$(Q)scripts/check-scripts
check-man: all $(O)/aid/cb-skel
	$(Q)scripts/check-man $(O) $(TOOLS)
check-completions: all
	$(Q)scripts/check-completions $(O) $(TOOLS)
check-needed: all
	$(Q)scripts/check-needed $(O) $(TOOL_TABLE)
check-sbom: sbom-build
	$(Q)scripts/check-sbom $(O)/sbom/cb.cdx.json sbom/cb.cdx.json $(O) $(TOOLS) $(HELPERS)

gen_completions = mkdir -p $(1) && for t in $(TOOLS); do \
	scripts/gen-completion bash $(O)/bin/$$t >$(1)/$$t.bash && \
	scripts/gen-completion zsh $(O)/bin/$$t >$(1)/_$$t && \
	scripts/gen-completion fish $(O)/bin/$$t >$(1)/$$t.fish || exit 1; done
completions: all
	$(Q)rm -f completions/*cb-* && $(call gen_completions,completions)

# --- what is made for others -------------------------------------------------------------------
# The one that is installed describes this build, the tools' hashes included; the committed one
# leaves those out, because they belong to a build and not to a source tree.

sbom-build: all
	$(Q)mkdir -p $(O)/sbom && VERSION=$(VERSION) scripts/gen-sbom $(O) $(TOOLS) $(HELPERS) >$(O)/sbom/cb.cdx.json
sbom: sbom-build
	$(Q)VERSION=$(VERSION) scripts/gen-sbom --source $(O) $(TOOLS) $(HELPERS) >sbom/cb.cdx.json.new
	$(Q)mv sbom/cb.cdx.json.new sbom/cb.cdx.json
	$(Q)echo "wrote sbom/cb.cdx.json (for the tree) and $(O)/sbom/cb.cdx.json (of this build)"

# the committed tree, the same bytes from the same commit
dist:
	$(Q)mkdir -p $(O) && git archive --format=tar --prefix=cb-$(VERSION)/ HEAD | gzip -n9 >$(O)/cb-$(VERSION).tar.gz
	$(Q)cd $(O) && sha256sum cb-$(VERSION).tar.gz

demo:
	$(Q)scripts/deps demo
	$(Q)scripts/deps footage || echo 'demo: goes on with the footage that is here' >&2
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo $(O)

# every byte of evidence (minutes), and 10 000 damaged models; a case that went wrong is named: nn-mutate -c CASE runs it again
ROBUST_CASES ?= 10000
robustness: $(O)/aid/nn-mutate
	$(Q)$(O)/aid/nn-mutate -n $(ROBUST_CASES) tests/fuzz/corpus/nn_cfg/* tests/fuzz/corpus/nn_pack/*
	$(Q)CB_EVERY=1 $(MAKE) --no-print-directory check-tools T=tests/t/2720-verify-every.t
	$(Q)CB_CASES=3000 $(MAKE) --no-print-directory check-tools T=tests/t/1165-rtsp-mangled.t

# kills and errors at every system call of those who write to a store, and of cb-audit in a log;
# FAULTS='--points 500'
faults: all $(O)/aid/mkstream
	$(Q)PATH="$(abspath $(O))/bin:$(abspath $(O))/aid:$$PATH" tests/storefaults.py $(FAULTS)
	$(Q)PATH="$(abspath $(O))/bin:$$PATH" tests/faults.py $(FAULTS)

# what power cuts can leave of a store, and whether it is put in order; CRASHSTATES='--states 500'
crashstates: all $(O)/aid/mkstream
	$(Q)PATH="$(abspath $(O))/bin:$(abspath $(O))/aid:$$PATH" tests/crashstates.py $(CRASHSTATES)

# many cameras for long: memory, descriptors, nothing lost; SOAK='--cameras 64 --seconds 600'
soak: all
	$(Q)PATH="$(abspath $(O))/bin:$$PATH" tests/soak.py $(SOAK)

# cb-sign beside minisign, openssl, ssh-keygen and age, on 200 random files: INTEROP='FILES BYTES'
interop: $(O)/bin/cb-sign
	$(Q)tests/interop.py $(O) $(INTEROP)

bench:
	$(Q)scripts/deps bench
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/bench $(O)

# how well models find what is in ../shared: make accuracy MODELS='a.cfg b.cfg' BESIDE=darknet
MODELS ?= $(wildcard models/cb-*.cfg $(or $(CB_SHARED),../shared)/data/models/*.cfg)
accuracy: all
	$(Q)PATH="$(abspath $(O))/bin:$$PATH" tests/accuracy/ap.py all $(MODELS:%=-m %) \
		$(if $(BESIDE),--beside $(BESIDE)) $(ACCURACY)

# how well objects are followed, beside SORT and ByteTrack on the same detections
accuracy-mot: all
	$(Q)PATH="$(abspath $(O))/bin:$$PATH" tests/accuracy/mot.py metric
	$(Q)PATH="$(abspath $(O))/bin:$$PATH" tests/accuracy/mot.py all --least $(ACCURACY)

# what 8 bits cost of it
accuracy-int8: all
	$(Q)tests/accuracy/int8.sh $(O) $(MODELS)

# coverage-guided, one target after another: make fuzz FUZZ='json frame' FUZZ_SECONDS=600
# new inputs go to build-fuzz/corpus, crashes to build-fuzz/crash
fuzz:
	$(Q)scripts/deps fuzz
	$(Q)$(MAKE) --no-print-directory fuzz-run O=build-fuzz CC=clang \
		SANITIZE=address,undefined,fuzzer-no-link FUZZ='$(FUZZ)'
fuzz-run: $(FUZZ:%=$(O)/libfuzzer/%)
	$(Q)mkdir -p $(FUZZ:%=$(O)/corpus/%) $(O)/crash
	$(Q)for f in $(FUZZ); do echo "fuzz: $$f, $(FUZZ_SECONDS) s" && \
		$(O)/libfuzzer/$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix=$(O)/crash/$$f- $(O)/corpus/$$f $$(ls -d tests/fuzz/corpus/$$f 2>/dev/null) \
		2>$(O)/crash/$$f.log || { tail -n 40 $(O)/crash/$$f.log; exit 1; }; \
		grep -E '^stat::number_of_executed|^stat::average_exec|DONE' $(O)/crash/$$f.log; done
$(O)/libfuzzer/%: $(O)/obj/tests/fuzz/fuzz_%.o $(unit_order:%=$(O)/lib/lib%.a)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(link) -fsanitize=fuzzer $(call extern,$(unit_order)) $(LDLIBS)

# rewrite the expected outputs of tests/golden; review the diff
golden: all $(AIDS)
	$(Q)CB_GOLDEN=1 prove --timer -j$(JOBS) --exec tests/run $(T)
	$(Q)git --no-pager diff --stat -- tests/golden
# lines changed since the last commit, against .clang-format
format-check:
	$(Q)scripts/check-format

help:
	@echo 'make               build the tools into $(O)/bin'
	@echo 'make static        cb-verify as one file without libraries, $(O)/static/cb-verify'
	@echo 'make demo          record a real clip, find people in it, alert; results under demo/'
	@echo 'make check         every test (installs what is missing: scripts/deps)'
	@echo 'make install       into DESTDIR and PREFIX ($(PREFIX)); make uninstall takes it away'
	@echo 'make robustness    load $(ROBUST_CASES) damaged models (ROBUST_CASES=N); change every byte of evidence'
	@echo 'make faults        kill and fail every system call of those who write to a store or a log'
	@echo 'make crashstates   cut the power at every moment of those who write to a store'
	@echo 'make soak          64 cameras for ten minutes: memory, descriptors, nothing lost; SOAK=...'
	@echo 'make bench         measurements, beside other programs on this machine'
	@echo 'make interop       random files signed and encrypted, there and back with the stock tools'
	@echo 'make accuracy      how well models detect, on pictures with known boxes; BESIDE=darknet'
	@echo 'make accuracy-int8 what 8 bits cost of it'
	@echo 'make accuracy-mot  how well objects are followed, beside SORT and ByteTrack'
	@echo 'make fuzz          fuzz every parser, FUZZ_SECONDS=$(FUZZ_SECONDS) each; FUZZ=name for one'
	@echo 'make dist          the committed tree as $(O)/cb-$(VERSION).tar.gz'
	@echo 'make sbom          software bill of materials, CycloneDX 1.6'
	@echo 'make completions   shell completions, from the tools themselves'
	@echo 'make golden        rewrite expected outputs; format-check: changed lines only'
	@echo 'make clean         remove $(O)'
	@echo
	@echo 'one check: make check-unit, check-tools [T=tests/t/X.t], check-layers, check-headers,'
	@echo '           check-scripts, check-man, check-completions, check-needed, check-sbom'
	@echo 'variables: O=DIR PREFIX= DESTDIR= CC= CFLAGS= V=1 WERROR=1 JOBS=N WITH_DARKNET=1 (or empty)'
	@echo '           SANITIZE=address,undefined (with O=build-asan)'

.PHONY: interop soak accuracy accuracy-int8 accuracy-mot check-all check-tests check-scripts crashstates faults fuzz-run robustness sbom-build
