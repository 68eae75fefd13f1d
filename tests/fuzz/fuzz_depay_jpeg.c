/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG over RTP: a description up to a NUL byte, then packets behind 16-bit lengths. */
#include "depay.h"

FUZZ_DEPAY("JPEG")
