#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The other half of 1250-formats.t: H.265 and AV1.
FORMATS=rest
. "$CB_SRC/tests/t/1250-formats.t"
