#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# same.sh CLIP STORE CAMERA: is what the store gives back, to the bit and the microsecond, what
# was in the clip? Prints "same", or exits 1 with the difference.
set -euo pipefail
diff <(cb-ingest "$1" --camera "$3" | cb-frame hash) <(cb-replay "$2" --camera "$3" | cb-frame hash) &&
	echo same
