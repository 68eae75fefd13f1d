# SPDX-License-Identifier: Apache-2.0
# cb: make, make demo, make check, make install; make help lists the rest
VERSION := 0.1.0

O         ?= build
PREFIX    ?= /usr/local
BINDIR    ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/cb
MANDIR    ?= $(PREFIX)/share/man
SHAREDIR  ?= $(PREFIX)/share/cb
BASHDIR   ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR    ?= $(PREFIX)/share/zsh/site-functions
FISHDIR   ?= $(PREFIX)/share/fish/vendor_completions.d
CFLAGS    ?= -O2 -g
PKG_CONFIG ?= pkg-config
# cb-detect --backend darknet: where Debian's package darknet is, and always where this is set
WITH_DARKNET ?= $(if $(wildcard /usr/lib/darknet/include/darknet.h),1)
# V=1 shows commands, WERROR=1 for CI, SANITIZE=address,undefined

# --- what is built ----------------------------------------------------------------------

TOOLS := $(patsubst cmd/%.c,%,$(wildcard cmd/cb-*.c))
LIBS  := $(notdir $(patsubst %/,%,$(wildcard lib/*/)))

# the layers that each tool links, lowest last, and nothing else
cb-frame_LIBS  := cli wire crypto base
cb-ingest_LIBS := cli live wire crypto base
cb-mux_LIBS    := cli media codec wire base
cb-record_LIBS := cli store log wire crypto base
cb-replay_LIBS := cli store wire crypto base
cb-query_LIBS  := cli store wire crypto base
cb-store_LIBS  := cli store log wire crypto base
cb-detect_LIBS := cli detect nn media codec log wire crypto base
cb-draw_LIBS   := cli draw media codec wire crypto base
cb-model_LIBS  := cli detect nn media codec wire crypto base
cb-alert_LIBS  := cli tell alert deliver conf log wire crypto base
cb-sign_LIBS   := cli sign log wire crypto base
cb-track_LIBS  := cli track conf log wire crypto base
cb-export_LIBS := cli export log store wire crypto base
cb-audit_LIBS  := cli verify log store wire crypto base
cb-verify_LIBS := cli verify log store wire crypto base

# programs that tools start, in libexec/: each in a process of its own for what it brings along
HELPERS := cb-libav cb-rtsp cb-deliver $(if $(WITH_DARKNET),cb-darknet)
cb-libav_LIBS := cli live media codec wire crypto base
cb-rtsp_LIBS := cli live rtsp codec tls wire crypto base
cb-darknet_LIBS := nn crypto sandbox base
cb-deliver_LIBS := deliver conf tls wire crypto sandbox base

# with the options comes what locks the program in
$(foreach t,$(TOOLS) $(HELPERS),$(eval $(t)_LIBS := $(patsubst cli,cli sandbox,$($(t)_LIBS))))

# what a layer needs from elsewhere (sbom/deps.tsv says the same to check-needed)
crypto_PKGS := nettle libsodium
tls_PKGS    := gnutls
conf_PKGS   := yaml-0.1
store_PKGS  := lmdb
media_PKGS  := libavformat libavcodec libswscale libavutil
nn_LDLIBS   := -ldnnl -lm
detect_LDLIBS := -lm
track_LDLIBS := -lm
draw_LDLIBS := -lm
deliver_PKGS := lmdb libcurl libmosquitto

# --- how ---------------------------------------------------------------------------------

cb_warn := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wwrite-strings -Wpointer-arith -Wimplicit-fallthrough -Wno-missing-field-initializers
# where a tool finds its helpers and data, seen from itself: the same wherever both are installed
share_rel := $(or $(shell realpath -m --relative-to='$(BINDIR)' '$(SHAREDIR)' 2>/dev/null),../share/cb)
libexec_rel := $(or $(shell realpath -m --relative-to='$(BINDIR)' '$(LIBEXECDIR)' 2>/dev/null),../libexec/cb)
cb_cflags := -std=gnu17 -D_GNU_SOURCE -Ilib -DCB_VERSION='"$(VERSION)"' \
	-DCB_LIBEXEC_REL='"$(libexec_rel)"' -DCB_SHARE_REL='"$(share_rel)"' \
	-ffile-prefix-map=$(CURDIR)=. -pthread $(cb_warn) $(if $(WERROR),-Werror)
cb_ldflags := -pthread -Wl,--as-needed

include scripts/hardening.mk

ifdef SANITIZE
cb_cflags  += -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
cb_ldflags += -fsanitize=$(SANITIZE)
else
cb_cflags  += $(cb_harden_cflags)
cb_ldflags += $(cb_harden_ldflags)
endif

Q   := $(if $(V),,@)
say  = $(if $(V),,@printf '  %-7s %s\n' $(1) '$(2)')

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all static check check-layers check-headers check-man check-completions check-needed \
	check-sbom check-unit check-tools completions sbom bench accuracy fuzz demo install uninstall \
	dist clean help format-check golden FORCE
all: $(TOOLS:%=$(O)/bin/%) $(HELPERS:%=$(O)/libexec/cb/%) $(O)/share/cb/models

# the models that ship, where tools look for them: the tree's own
$(O)/share/cb/models: | models
	$(Q)mkdir -p $(@D) && ln -sfnr models $@

# compile again when the compiler or its flags change
stamp := $(if $(WITH_DARKNET),,no darknet )$(CC) $(cb_cflags) $(CPPFLAGS) $(CFLAGS) $(cb_ldflags) $(LDFLAGS)
$(O)/flags: FORCE
	@mkdir -p $(O); printf '%s\n' '$(subst ','\'',$(stamp))' | cmp -s - $@ || { \
		! command -v dpkg-query >/dev/null || scripts/deps --check build || \
			echo 'deps: scripts/deps installs them' >&2; \
		$(if $(WITH_DARKNET),,echo 'darknet: not there (Debian package darknet): without cb-detect --backend darknet' >&2;) \
		printf '%s\n' '$(subst ','\'',$(stamp))' >$@; }

$(O)/obj/%.o: %.c $(O)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(cb_cflags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# the same tracks on every machine: no product and sum in one rounding where a CPU could
$(O)/obj/lib/track/%.o: cb_cflags += -ffp-contract=off

define lib_rule
$(O)/lib/lib$(1).a: $$(patsubst %.c,$(O)/obj/%.o,$$(wildcard lib/$(1)/*.c))
	$$(call say,AR,$$@)
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && $$(AR) rcsD $$@ $$^
endef
$(foreach l,$(LIBS),$(eval $(call lib_rule,$(l))))
# the template that it takes in
$(O)/obj/lib/export/page.o: lib/export/page.html

# the libraries of other people behind a list of layers
extern = $(foreach l,$(1),$(if $($(l)_PKGS),$(shell $(PKG_CONFIG) --libs $($(l)_PKGS))) $($(l)_LDLIBS))
link = $(CC) $(cb_cflags) $(CFLAGS) $(cb_ldflags) $(LDFLAGS) -o $@ $^

define tool_rule
$(O)/bin/$(1): $(O)/obj/cmd/$(1).o $$($(1)_LIBS:%=$(O)/lib/lib%.a)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(link) $$(call extern,$$($(1)_LIBS)) $$(LDLIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$(t))))

# cb-verify as one file that needs no library, for those who only verify
$(O)/static/cb-verify: $(O)/obj/cmd/cb-verify.o $(cb-verify_LIBS:%=$(O)/lib/lib%.a)
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(filter-out -pie,$(link)) -static-pie -Wl,--gc-sections \
		$(foreach l,$(cb-verify_LIBS),$(if $(filter crypto,$(l)),$(shell $(PKG_CONFIG) --libs --static $(crypto_PKGS))))
static: $(O)/static/cb-verify

define helper_rule
$(O)/libexec/cb/$(1): $(O)/obj/libexec/$(1).o $$($(1)_LIBS:%=$(O)/lib/lib%.a)
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(link) $$(call extern,$$($(1)_LIBS)) $$(LDLIBS)
endef
$(foreach t,$(HELPERS),$(eval $(call helper_rule,$(t))))
# its header declares functions in the old way: a system's, which is not warned of
$(O)/obj/libexec/cb-darknet.o: cb_cflags += -isystem /usr/lib/darknet/include

include tests/tests.mk

# --- install ---------------------------------------------------------------------------------

# the models with their cards, the signed list of their digests and its key
MODELS_SHIPPED := $(wildcard models/SHA256SUMS* $(foreach s,cfg weights names md svg,models/cb-*.$(s)))
into := $(BINDIR) $(if $(HELPERS),$(LIBEXECDIR)) $(SHAREDIR) $(SHAREDIR)/models $(SHAREDIR)/examples $(foreach s,1 5 7,$(MANDIR)/man$(s)) $(BASHDIR) $(ZSHDIR) $(FISHDIR)

install: all sbom-build
	install -d $(into:%=$(DESTDIR)%)
	install -m 755 $(TOOLS:%=$(O)/bin/%) $(DESTDIR)$(BINDIR)
	$(if $(HELPERS),install -m 755 $(HELPERS:%=$(O)/libexec/cb/%) $(DESTDIR)$(LIBEXECDIR))
	$(foreach s,1 5 7,$(if $(wildcard man/*.$(s)),install -m 644 $(wildcard man/*.$(s)) $(DESTDIR)$(MANDIR)/man$(s);))
	install -m 644 $(wildcard schema/*.json) $(O)/sbom/cb.cdx.json $(DESTDIR)$(SHAREDIR)
	install -m 644 $(MODELS_SHIPPED) $(DESTDIR)$(SHAREDIR)/models
	install -m 644 $(wildcard examples/*.yml examples/*.service) $(DESTDIR)$(SHAREDIR)/examples
	install -m 755 examples/cb-cameras $(wildcard examples/*.sh) $(DESTDIR)$(SHAREDIR)/examples
	for t in $(TOOLS); do \
		install -m 644 completions/$$t.bash $(DESTDIR)$(BASHDIR)/$$t && \
		install -m 644 completions/_$$t $(DESTDIR)$(ZSHDIR)/_$$t && \
		install -m 644 completions/$$t.fish $(DESTDIR)$(FISHDIR)/$$t.fish || exit 1; done
# every file, and our directory; in a DESTDIR also the directories that are empty now
uninstall:
	rm -f $(TOOLS:%=$(DESTDIR)$(BINDIR)/%) $(patsubst libexec/%.c,$(DESTDIR)$(LIBEXECDIR)/%,$(wildcard libexec/*.c)) \
		$(foreach s,1 5 7,$(patsubst man/%,$(DESTDIR)$(MANDIR)/man$(s)/%,$(wildcard man/*.$(s)))) \
		$(TOOLS:%=$(DESTDIR)$(BASHDIR)/%) $(TOOLS:%=$(DESTDIR)$(ZSHDIR)/_%) \
		$(TOOLS:%=$(DESTDIR)$(FISHDIR)/%.fish) \
		$(patsubst schema/%,$(DESTDIR)$(SHAREDIR)/%,$(wildcard schema/*.json)) $(DESTDIR)$(SHAREDIR)/cb.cdx.json \
		$(MODELS_SHIPPED:%=$(DESTDIR)$(SHAREDIR)/%) $(DESTDIR)$(SHAREDIR)/examples/cb-cameras \
		$(patsubst %,$(DESTDIR)$(SHAREDIR)/%,$(wildcard examples/*.yml examples/*.service examples/*.sh))
	$(if $(DESTDIR),for d in $(into:/%=%); do (cd $(DESTDIR) && rmdir -p $$d 2>/dev/null) || :; done, \
		rmdir $(SHAREDIR)/models $(SHAREDIR)/examples $(SHAREDIR) $(LIBEXECDIR) 2>/dev/null || :)

clean:
	rm -rf $(O) build-asan demo/out

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
