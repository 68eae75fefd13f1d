/* SPDX-License-Identifier: Apache-2.0 */
/* main() for a fuzz target where there is no fuzzer: runs it once over the empty input and
 * every file named (or found, one level deep, in a directory named), so that the corpus is a
 * regression test. With --mutate N each file is also run N times cut and with bits flipped,
 * the same ones every time. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long runs, mutations;
static uint64_t seed;

static uint32_t dice(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33);
}

/* An exact allocation, so that a sanitizer sees a read beyond the end. */
static int one(const uint8_t *data, size_t n)
{
	uint8_t *p = malloc(n ? n : 1);

	if (!p)
		return -1;
	memcpy(p, data, n);
	LLVMFuzzerTestOneInput(p, n);
	free(p);
	runs++;
	return 0;
}

static int mutate(uint8_t *p, size_t n)
{
	uint8_t *m = malloc(n ? n : 1);

	if (!m)
		return -1;
	seed = n;
	for (unsigned long i = 0; n && i < mutations; i++) {
		size_t cut = dice() % 4 ? n : dice() % n;

		memcpy(m, p, n);
		for (unsigned k = dice() % 8; k; k--)
			m[dice() % n] ^= dice() % 3 ? 1u << dice() % 8 : dice();
		if (one(m, cut)) {
			free(m);
			return -1;
		}
	}
	free(m);
	return 0;
}

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = NULL;
	long n;
	int ret = -1;

	if (!f || fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0 || fseek(f, 0, SEEK_SET))
		goto out;
	p = malloc(n ? (size_t)n : 1);
	if (!p || fread(p, 1, (size_t)n, f) != (size_t)n)
		goto out;
	ret = one(p, (size_t)n) || mutate(p, (size_t)n) ? -1 : 0;
out:
	if (ret)
		perror(path);
	free(p);
	if (f)
		fclose(f);
	return ret;
}

static int replay(const char *path)
{
	struct stat st;
	struct dirent **list;
	int n, ret = 0;

	if (stat(path, &st)) {
		perror(path);
		return -1;
	}
	if (!S_ISDIR(st.st_mode))
		return replay_file(path);
	n = scandir(path, &list, NULL, alphasort);
	if (n < 0) {
		perror(path);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char sub[4096];

		if (list[i]->d_name[0] != '.') {
			snprintf(sub, sizeof sub, "%s/%s", path, list[i]->d_name);
			ret |= replay_file(sub);
		}
		free(list[i]);
	}
	free(list);
	return ret;
}

int main(int argc, char **argv)
{
	int ret = one((const uint8_t *)"", 0), i = 1;

	if (argc > 2 && !strcmp(argv[1], "--mutate")) {
		mutations = strtoul(argv[2], NULL, 10);
		i = 3;
	}
	for (; i < argc; i++)
		ret |= replay(argv[i]);
	printf("%s - %s: %lu runs\n", ret ? "not ok 1" : "ok 1", argv[0], runs);
	printf("1..1\n");
	return ret ? 1 : 0;
}
