/* SPDX-License-Identifier: Apache-2.0 */
/* H.264 over RTP: a description up to a NUL byte, then packets behind 16-bit lengths. */
#include "depay.h"

FUZZ_DEPAY("H264")
