/* SPDX-License-Identifier: Apache-2.0 */
/* What a network's run asks of others: an LD_PRELOAD object that counts allocations, within
 * oneDNN's primitives and outside of them, and locks. tests/nn/steady.c finds its counters by
 * the name "counted", switches them on and off and prints them. */

#include <dlfcn.h>
#include <pthread.h>
#include <malloc.h>
#include <stdlib.h>

struct counted {
	int on;
	unsigned long ours, theirs, freed, locks, primitives;
} counted;

static int inside;	/* of all threads: a primitive has helpers */

/* glibc's own names: the next malloc cannot be asked for before there is one */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t k, size_t n);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static void add(unsigned long *n)
{
	if (counted.on)
		__atomic_add_fetch(n, 1, __ATOMIC_RELAXED);
}

static void allocated(void)
{
	add(__atomic_load_n(&inside, __ATOMIC_RELAXED) ? &counted.theirs : &counted.ours);
}

void *malloc(size_t n)
{
	allocated();
	return __libc_malloc(n);
}
void *calloc(size_t k, size_t n)
{
	allocated();
	return __libc_calloc(k, n);
}
void *realloc(void *p, size_t n)
{
	allocated();
	return __libc_realloc(p, n);
}
void *memalign(size_t align, size_t n)
{
	allocated();
	return __libc_memalign(align, n);
}
void *aligned_alloc(size_t align, size_t n)
{
	allocated();
	return __libc_memalign(align, n);
}
int posix_memalign(void **ret, size_t align, size_t n)
{
	allocated();
	*ret = __libc_memalign(align, n);
	return *ret ? 0 : 12;
}
void free(void *p)
{
	if (p)
		add(&counted.freed);
	__libc_free(p);
}

#define LOCK(name, type) \
	int name(type *l) \
	{ \
		static int (*real)(type *); \
		if (!real) \
			*(void **)&real = dlsym(RTLD_NEXT, #name); \
		add(&counted.locks); \
		return real(l); \
	}
LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCK(pthread_spin_lock, pthread_spinlock_t)

/* dnnl_status_t is an enumeration, the arguments are handles and pointers */
int dnnl_primitive_execute(const void *prim, void *stream, int n, const void *args);
int dnnl_primitive_execute(const void *prim, void *stream, int n, const void *args)
{
	static int (*real)(const void *, void *, int, const void *);
	int rc;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "dnnl_primitive_execute");
	add(&counted.primitives);
	__atomic_add_fetch(&inside, 1, __ATOMIC_RELAXED);
	rc = real(prim, stream, n, args);
	__atomic_sub_fetch(&inside, 1, __ATOMIC_RELAXED);
	return rc;
}
