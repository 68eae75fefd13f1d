/* SPDX-License-Identifier: Apache-2.0 */
/* The Merkle tree of a log (RFC 6962, section 2.1; the verifying algorithms are those of
 * RFC 9162, 2.1.3.2 and 2.1.4.2): hashes of leaves and of nodes, the root of a growing tree
 * in constant memory, and the two proofs. Sizes and indices are counts of leaves, below
 * 2^63. Proofs are hashes of 32 bytes one after another, n of them. All of it is total on
 * hostile input; nothing is allocated and nothing fails but by saying false. */
#ifndef CB_LOG_MERKLE_H
#define CB_LOG_MERKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CB_HASH_LEN 32
#define CB_PROOF_MAX 128		/* hashes of the longest proof, of either kind */
#define CB_TREE_MAX ((uint64_t)INT64_MAX)

/* SHA-256(0x00 || entry), SHA-256(0x01 || left || right) */
void cb_merkle_leaf(uint8_t out[static CB_HASH_LEN], const void *entry, size_t n);
void cb_merkle_node(uint8_t out[static CB_HASH_LEN], const uint8_t left[static CB_HASH_LEN],
		    const uint8_t right[static CB_HASH_LEN]);

/* A tree from its first leaf on: all that is left of it is the root of each full subtree,
 * node[i] that of one with 2^i leaves where bit i of size is set. All zero is the empty tree.
 * It can be copied, and its bytes are the same wherever the leaves are. */
struct cb_frontier {
	uint64_t size;
	uint8_t node[64][CB_HASH_LEN];
};
void cb_frontier_push(struct cb_frontier *f, const uint8_t leaf[static CB_HASH_LEN]);
/* 2^level leaves at once, by their root; size must be a multiple of 2^level. */
void cb_frontier_push_full(struct cb_frontier *f, unsigned level, const uint8_t root[static CB_HASH_LEN]);
/* The tree's root; of the empty tree SHA-256(""). */
void cb_frontier_root(const struct cb_frontier *f, uint8_t out[static CB_HASH_LEN]);

/* How many hashes a proof has: inclusion of leaf index in a tree of size (index < size),
 * consistency between trees of two sizes (from <= to; 0 where from is 0 or they are equal). */
unsigned cb_merkle_inclusion_len(uint64_t index, uint64_t size);
unsigned cb_merkle_consistency_len(uint64_t from, uint64_t to);

/* The root that an inclusion proof leads to, leaf to root. False: the proof has not as many
 * hashes as one of this index and size has, or index is not below size. */
bool cb_merkle_climb(uint64_t index, uint64_t size, const uint8_t leaf[static CB_HASH_LEN],
		     const uint8_t *path, size_t n, uint8_t ret_root[static CB_HASH_LEN]);
/* Is it the leaf at index of the tree with this size and root? */
bool cb_merkle_included(uint64_t index, uint64_t size, const uint8_t leaf[static CB_HASH_LEN],
			const uint8_t *path, size_t n, const uint8_t root[static CB_HASH_LEN]);
/* Is the tree (from, from_root) the beginning of the tree (to, to_root)? Equal sizes: equal
 * roots and an empty proof. From 0 everything follows, by an empty proof. */
bool cb_merkle_consistent(uint64_t from, uint64_t to, const uint8_t from_root[static CB_HASH_LEN],
			  const uint8_t to_root[static CB_HASH_LEN], const uint8_t *path, size_t n);

#endif
