/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as a line of text, safe for a terminal: cb-frame dump, and readable test outputs. */
#ifndef CB_WIRE_TEXT_H
#define CB_WIRE_TEXT_H

#include "base/buf.h"
#include "wire/frame.h"

/* Append "NUMBER TYPE key=value ..." without LF. -1 and CB_E_DATA where the payload is not
 * what its type asks for, CB_E_OS without memory. */
int cb_frame_text(struct cb_buf *b, const struct cb_frame *f, struct cb_err *err);
/* "video", "audio", "data" */
const char *cb_kind_name(uint8_t kind);

#endif
