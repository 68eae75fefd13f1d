/* SPDX-License-Identifier: Apache-2.0 */
/* VERIFY.txt: how to check a bundle with what is in any system. Lines that are four blanks deep are
 * commands for a POSIX shell; each stands alone but for the functions and the variable t made
 * before it. A test runs them all. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/time.h"
#include "export/case.h"

struct text {
	struct cb_buf *b;
	bool failed;
};

static void put(struct text *t, const char *s)
{
	t->failed |= cb_buf_str(t->b, s) < 0;
}

__attribute__((format(printf, 2, 3)))
static void form(struct text *t, const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	t->failed |= vsnprintf(line, sizeof(line), fmt, ap) >= (int)sizeof(line);
	va_end(ap);
	put(t, line);
}

/* Foreign text as one line; never the beginning of a command's line. */
static void foreign(struct text *t, const char *s)
{
	size_t n = strlen(s);
	char *safe = malloc(n * 3 + 1);

	if (!safe) {
		t->failed = true;
		return;
	}
	cb_text_safe(safe, n * 3 + 1, s, n, false);
	put(t, safe);
	free(safe);
}

static void moment(struct text *t, int64_t ns)
{
	char s[CB_TIME_LEN];

	cb_time_format_us(s, ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0));
	put(t, s);
}

static void put_head(struct text *t, const struct cb_case *c)
{
	put(t, "HOW TO CHECK THIS EXPORT\n\nCamera ");
	put(t, c->camera);
	put(t, ", ");
	moment(t, c->clip->from_ns);
	put(t, " to ");
	moment(t, c->clip->to_ns);
	put(t, "\nExported ");
	moment(t, c->now_ns);
	put(t, " by cb-export " CB_VERSION "\n");
	if (c->by) {
		put(t, "Exported by: ");
		foreign(t, c->by);
		put(t, "\n");
	}
	if (c->purpose) {
		put(t, "Purpose: ");
		foreign(t, c->purpose);
		put(t, "\n");
	}
	put(t, "\n"
	    "The program cb-verify checks all of it at once: cb-verify DIRECTORY. But none of our\n"
	    "programs is needed. The lines below that begin with blanks are commands for a shell\n"
	    "(sh), to be typed in this directory, in this order. They need sha256sum, grep, sed and the\n"
	    "like, and minisign, ssh-keygen or openssl where it says so. On a Mac, shasum -a 256 stands\n"
	    "for sha256sum.\n\n"
	    "A place for what is made on the way:\n\n"
	    "    t=$(mktemp -d)\n\n");
}

static void put_list(struct text *t)
{
	put(t, "1. NO FILE WAS CHANGED SINCE THE LIST OF FILES WAS MADE\n\n"
	    "    sha256sum -c --strict --quiet SHA256SUMS && echo list: good\n\n"
	    "and none was put in: this prints nothing else where there is nothing but what is in the list.\n\n"
	    "    find . ! -type d | grep -vE '^\\./SHA256SUMS(\\.([0-9]+\\.)?(minisig|sig))?$' |\n"
	    "        cut -c 3- | LC_ALL=C sort >$t/there\n"
	    "    cut -c 67- SHA256SUMS | diff - $t/there && echo list: complete\n\n");
}

static void put_signatures(struct text *t, const struct cb_case *c)
{
	char sig[CB_BUNDLE_NAME];

	put(t, "2. THE LIST IS SIGNED\n\n");
	if (!c->keys) {
		put(t, "It is not: nobody has signed this export. What follows still says whether the footage is\n"
		    "what was recorded; that this list is the one that was made, nothing says.\n\n");
		return;
	}
	put(t, "The keys came with the export, so a forger could have brought his own. Compare them, letter by\n"
	    "letter, with what their owners give you on paper or by telephone:\n\n");
	for (size_t i = 0; i < c->keys; i++)
		form(t, "  key %s\n  %s\n\n", c->key[i], c->pub[i]);
	for (size_t i = 0; i < c->keys; i++) {
		cb_case_signature(sig, i, "minisig");
		form(t, "With minisign:\n\n"
		     "    minisign -V -H -p keys/%s.pub -x %s -m SHA256SUMS\n\n", c->key[i], sig);
		cb_case_signature(sig, i, "sig");
		form(t, "or with OpenSSH:\n\n"
		     "    ssh-keygen -Y verify -f keys/allowed_signers -I %s -n cb-evidence -s %s <SHA256SUMS\n\n",
		     c->key[i], sig);
		cb_case_signature(sig, i, "minisig");
		form(t, "or with OpenSSL (the same signature as minisign's):\n\n"
		     "    { printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'\n"
		     "      sed -n 2p keys/%s.pub | base64 -d | tail -c 32; } >$t/key\n"
		     "    sed -n 2p %s | base64 -d | tail -c 64 >$t/sig\n"
		     "    openssl dgst -blake2b512 -binary SHA256SUMS >$t/hash\n"
		     "    openssl pkeyutl -verify -pubin -keyform DER -inkey $t/key -rawin -in $t/hash -sigfile $t/sig\n\n",
		     c->key[i], sig);
	}
}

static void put_footage(struct text *t, const struct cb_case *c)
{
	bool encrypted = false;

	for (size_t i = 0; i < c->clip->n; i++)
		encrypted |= c->clip->v[i].encrypted;
	put(t, "3. THE FOOTAGE IS WHAT WAS RECORDED\n\n"
	    "A manifest has a line for each piece of a recording: number, offset, length and SHA-256.\n"
	    "Piece 0 is the head of the file. A clip is piece 0 and a run of others, one behind another and\n"
	    "nothing else.");
	if (encrypted)
		put(t, " Where the recording is encrypted (its manifest has a line \"key\"), length and\n"
		    "SHA-256 are those of what is stored, 96 bytes more than the piece, and the last word of the line\n"
		    "is the SHA-256 of 32 bytes of salt, then the piece. The salts of a clip's pieces lie in salts,\n"
		    "one behind another.");
	put(t, " NAME FIRST LAST:\n\n"
	    "    pieces() {\n");
	if (encrypted)
		put(t, "        at=1 salt=1\n"
		    "        grep -E '^[0-9]+ ' \"manifests/$1.manifest\" >$t/lines\n"
		    "        while read -r n offset length sum pts duration wall flags packets end plain; do\n"
		    "            [ \"$n\" = 0 ] || { [ \"$n\" -ge \"$2\" ] && [ \"$n\" -le \"$3\" ]; } || continue\n"
		    "            [ -z \"$plain\" ] || length=$((length - 96)) sum=$plain\n"
		    "            [ \"$({ [ -z \"$plain\" ] || tail -c +$salt \"salts/$1.salts\" | head -c 32\n"
		    "                 tail -c +$at \"clip/$1.mp4\" | head -c \"$length\"; } | sha256sum)\" = \"$sum  -\" ] ||\n"
		    "                { echo \"$1: piece $n is not what was recorded\"; return 1; }\n"
		    "            at=$((at + length)) salt=$((salt + 32))\n");
	else
		put(t, "        at=1\n"
		    "        grep -E '^[0-9]+ ' \"manifests/$1.manifest\" >$t/lines\n"
		    "        while read -r n offset length sum rest; do\n"
		    "            [ \"$n\" = 0 ] || { [ \"$n\" -ge \"$2\" ] && [ \"$n\" -le \"$3\" ]; } || continue\n"
		    "            [ \"$(tail -c +$at \"clip/$1.mp4\" | head -c \"$length\" | sha256sum)\" = \"$sum  -\" ] ||\n"
		    "                { echo \"$1: piece $n is not what was recorded\"; return 1; }\n"
		    "            at=$((at + length))\n");
	put(t, "        done <$t/lines\n"
	    "        [ $((at - 1)) -eq \"$(wc -c <\"clip/$1.mp4\")\" ] ||\n"
	    "            { echo \"$1: more bytes than were recorded\"; return 1; }\n"
	    "        echo \"$1: footage: good\"\n"
	    "    }\n");
	for (size_t i = 0; i < c->clip->n; i++)
		form(t, "    pieces %s %" PRIu32 " %" PRIu32 "\n", c->clip->v[i].seg.name, c->clip->v[i].first,
		     c->clip->v[i].last);
	put(t, "\nThe last line of a manifest is the SHA-256 of all lines before it. NAME:\n\n"
	    "    manifest() {\n"
	    "        [ \"digest $(sed '$d' \"manifests/$1.manifest\" | sha256sum)\" = \\\n"
	    "          \"$(tail -n 1 \"manifests/$1.manifest\")  -\" ] ||\n"
	    "            { echo \"$1: the manifest was changed\"; return 1; }\n"
	    "        echo \"$1: manifest: good\"\n"
	    "    }\n");
	for (size_t i = 0; i < c->clip->n; i++)
		if (c->clip->v[i].sealed)
			form(t, "    manifest %s\n", c->clip->v[i].seg.name);
	put(t, "\n");
	for (size_t i = 0; i < c->clip->n; i++)
		if (!c->clip->v[i].sealed)
			form(t, "%s was still being recorded: its manifest has no such line, and is in no log.\n\n",
			     c->clip->v[i].seg.name);
}

static void put_log(struct text *t, const struct cb_case *c)
{
	size_t n = 0;

	put(t, "4. IT WAS IN THE LOG\n\n");
	for (size_t i = 0; i < c->clip->n; i++)
		if (c->proof[i].yes)
			n++;
		else
			form(t, "For %s there is no proof: %s.\n\n", c->clip->v[i].seg.name, c->proof[i].why);
	if (!n)
		return;
	form(t, "The recorder's log is a Merkle tree (RFC 9162). When this was exported, its last signed root was\n"
	     "that of %" PRIu64 " entries, in the file checkpoint. An entry has the digest of a manifest; the\n"
	     "hashes in its proof lead from there to the root. NAME:\n\n", c->log->size);
	put(t,
	    "    hash() { openssl dgst -sha256 -binary; }\n"
	    "    logged() {\n"
	    "        sum=$(tail -n 1 \"manifests/$1.manifest\" | cut -d ' ' -f 2)\n"
	    "        grep -q \"\\\"manifest_sha256\\\":\\\"$sum\\\"\" \"proofs/$1.entry\" ||\n"
	    "            { echo \"$1: the entry is of another manifest\"; return 1; }\n"
	    "        sed '1,/^$/d' \"proofs/$1.tlog-proof\" | cmp - checkpoint || return 1\n"
	    "        fn=$(sed -n 's/^index //p' \"proofs/$1.tlog-proof\")\n"
	    "        sn=$(($(sed -n 2p checkpoint) - 1))\n"
	    "        sed '/^$/,$d' \"proofs/$1.tlog-proof\" | sed '1,/^index/d' >$t/path\n"
	    "        { printf '\\000'; cat \"proofs/$1.entry\"; } | hash >$t/h\n"
	    "        while read -r p; do\n"
	    "            echo \"$p\" | base64 -d >$t/p\n"
	    "            if [ $((fn % 2)) -eq 1 ] || [ \"$fn\" -eq \"$sn\" ]; then\n"
	    "                { printf '\\001'; cat $t/p $t/h; } | hash >$t/n\n"
	    "                while [ $((fn % 2)) -eq 0 ] && [ \"$fn\" -gt 0 ]; do\n"
	    "                    fn=$((fn / 2)) sn=$((sn / 2))\n"
	    "                done\n"
	    "            else\n"
	    "                { printf '\\001'; cat $t/h $t/p; } | hash >$t/n\n"
	    "            fi\n"
	    "            mv $t/n $t/h\n"
	    "            fn=$((fn / 2)) sn=$((sn / 2))\n"
	    "        done <$t/path\n"
	    "        [ \"$sn\" -eq 0 ] && [ \"$(base64 <$t/h)\" = \"$(sed -n 3p checkpoint)\" ] ||\n"
	    "            { echo \"$1: the proof does not lead to the root\"; return 1; }\n"
	    "        echo \"$1: in the log: good\"\n"
	    "    }\n");
	for (size_t i = 0; i < c->clip->n; i++)
		if (c->proof[i].yes)
			form(t, "    logged %s\n", c->clip->v[i].seg.name);
	if (memmem(c->log->policy.data, c->log->policy.len, "\nwitness ", 9))
		put(t, "\nThe policy names witnesses, too; cb-verify checks what they have signed.\n");
	put(t, "\nThe root is signed with the log's key. Compare it, too, with what the recorder's owner gives\n"
	    "you; it stands in policy:\n\n");
	put(t, "  ");
	t->failed |= cb_buf_add(t->b, c->log->vkey.data, c->log->vkey.len) < 0;
	put(t, "\n\n");
	put(t, "    { printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'\n"
	    "      cut -d + -f 3- keys/log.vkey | base64 -d | tail -c 32; } >$t/key\n"
	    "    name=$(head -n 1 checkpoint)\n"
	    "    sed '/^$/,$d' checkpoint >$t/note\n"
	    "    grep -F -- \"$(printf '\\342\\200\\224') $name \" checkpoint | head -n 1 | cut -d ' ' -f 3 |\n"
	    "        base64 -d | tail -c 64 >$t/sig\n"
	    "    openssl pkeyutl -verify -pubin -keyform DER -inkey $t/key -rawin -in $t/note -sigfile $t/sig\n\n");
}

int cb_case_verify(struct cb_buf *b, const struct cb_case *c, struct cb_err *err)
{
	struct text t = { .b = b };

	put_head(&t, c);
	put_list(&t);
	put_signatures(&t, c);
	put_footage(&t, c);
	put_log(&t, c);
	put(&t, "    rm -r $t\n\n"
	    "WHAT THIS PROVES\n\n"
	    "That no byte was changed since the recorder wrote its manifest, and where there is a log and\n"
	    "its key is the recorder's, that this was before the root was signed. Not that the camera saw\n"
	    "what happened, that its clock was right, or that nothing else was recorded: gaps.ndjson has the\n"
	    "stretches for which there is no footage.\n");
	return t.failed ? cb_err_nomem(err) : 0;
}
