/* SPDX-License-Identifier: Apache-2.0 */
/* The same tests for the scanner as machines without SSE2 get it. */
#define CB_JSON_PORTABLE
#include "wire/json.c"

#include "test_json.c"
