# SPDX-License-Identifier: Apache-2.0
# Hardening flags, each probed with the compiler in use: what it refuses is left out.
# The answer is kept in $(O)/hardening.mk with the compiler's version as its key, so a second
# make costs nothing and another compiler is asked anew. Where there is no working compiler
# nothing is kept. tests/t/0150-hardening.t looks for the result in the ELF files.

# -Wformat goes with its -Werror=: alone that one is refused
try_cflags := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	-mbranch-protection=standard -ftrivial-auto-var-init=zero -fzero-init-padding-bits=all \
	-fstrict-flex-arrays=3 -fno-delete-null-pointer-checks -fno-strict-overflow \
	-fno-strict-aliasing -Wformat,-Werror=format-security -Wtrampolines
try_ldflags := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen \
	-Wl,-z,separate-code

cb_harden_key := $(shell $(CC) --version 2>/dev/null | head -n 1) $(CC) $(try_cflags) $(try_ldflags)
cb_harden_key_was := $(shell cat $(O)/hardening.key 2>/dev/null)
ifneq ($(strip $(cb_harden_key)),$(strip $(cb_harden_key_was)))
$(shell mkdir -p $(O); rm -f $(O)/hardening.key; \
	probe() { printf '%b\n' "$$code" | $(CC) -Werror "$$@" -x c - -o /dev/null 2>/dev/null; }; \
	try() { probe $$(echo "$$1" | sed '/^-Wl/!s/,/ /g') $$2; }; \
	code='int main(void){return 0;}'; \
	if probe; then \
	{ printf 'cb_harden_cflags := -U_FORTIFY_SOURCE'; \
	  code='\043include <string.h>\nint main(void){return 0;}'; \
	  for n in 3 2; do probe -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$$n && \
		printf ' -D_FORTIFY_SOURCE=%s' $$n && break; done; \
	  code='int main(void){return 0;}'; \
	  for f in $(try_cflags); do try $$f && printf ' %s' $$(echo $$f | tr , ' '); done; echo; \
	  printf 'cb_harden_ldflags :='; \
	  for f in $(try_ldflags); do try $$f -fPIE && printf ' %s' $$f; done; echo; } >$(O)/hardening.mk; \
	printf '%s\n' '$(subst ','\'',$(cb_harden_key))' >$(O)/hardening.key; fi)
endif
-include $(O)/hardening.mk
