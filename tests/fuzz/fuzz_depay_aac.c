/* SPDX-License-Identifier: Apache-2.0 */
/* AAC over RTP (RFC 3640): a description up to a NUL byte, then packets behind 16-bit lengths. */
#include "depay.h"

FUZZ_DEPAY("MPEG4-GENERIC")
