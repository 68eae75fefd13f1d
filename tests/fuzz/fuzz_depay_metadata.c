/* SPDX-License-Identifier: Apache-2.0 */
/* ONVIF metadata over RTP: a description up to a NUL byte, then packets behind 16-bit lengths. */
#include "depay.h"

FUZZ_DEPAY("VND.ONVIF.METADATA")
