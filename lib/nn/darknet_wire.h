/* SPDX-License-Identifier: Apache-2.0 */
/* What lib/nn/darknet.c and its helper, libexec/cb-darknet.c, say to each other. Both are of one
 * build; the version is there to find out where they are not. Internal to these two.
 *
 * Messages go over a SOCK_SEQPACKET socket, one at a time, each answered by one. They are
 * little-endian 32-bit words, magic and kind first:
 *
 *     LOAD   to the helper    version, floats of the input, layers
 *     READY  from it          layers, then the SHA-256 of the library's file (32 bytes)
 *     RUN    to it            number, threshold (float)
 *     BOXES  from it          number, boxes
 *     FAIL   from it          exit status, then text up to the end of the message
 *
 * Pictures and results lie in memory that both have mapped (descriptor 6, sealed against
 * another size): the input, planar float, and after it the results: with READY for each layer
 * its values, width, height and channels; with BOXES the boxes, the best first. */
#ifndef CB_NN_DARKNET_WIRE_H
#define CB_NN_DARKNET_WIRE_H

#define CB_DK_VERSION 1
#define CB_DK_MAGIC 0x4b444243u		/* "CBDK" */
#define CB_DK_LOAD 0x64616f6cu
#define CB_DK_READY 0x79646572u
#define CB_DK_RUN 0x206e7572u
#define CB_DK_BOXES 0x65786f62u
#define CB_DK_FAIL 0x6c696166u

#define CB_DK_LOAD_BYTES 20
#define CB_DK_READY_BYTES (12 + 32)
#define CB_DK_RUN_BYTES 16
#define CB_DK_BOXES_BYTES 16
#define CB_DK_FAIL_BYTES 12		/* and the text */
#define CB_DK_MESSAGE_MAX 512

/* The helper's descriptors; 0 is /dev/null, 1 and 2 go to /dev/null or to whom it may concern. */
#define CB_DK_FD_SOCKET 3
#define CB_DK_FD_CFG 4
#define CB_DK_FD_WEIGHTS 5
#define CB_DK_FD_SHARED 6

#define CB_DK_SHAPE_BYTES 16		/* values, width, height, channels */
#define CB_DK_BOX_BYTES 24		/* centre x, y, width, height, score (floats), class */
#define CB_DK_BOXES_MAX 8192
#define CB_DK_RESULT_BYTES (CB_DK_BOXES_MAX * CB_DK_BOX_BYTES)

#endif
