/*
 * The atomic operations of 64-bit Arm that PMDK's archives call by these names. GCC's run-time library has them, those of
 * other linkers do not: zig's links without them, and the result does not load.
 *
 * Each returns what was there before, and is a full barrier, as the __sync functions of GCC are.
 */
#include <stdint.h>

uint32_t __aarch64_ldadd4_sync(uint32_t value, uint32_t *at)
{
	uint32_t before = __atomic_fetch_add(at, value, __ATOMIC_ACQ_REL);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return before;
}

uint32_t __aarch64_ldset4_sync(uint32_t bits, uint32_t *at)
{
	uint32_t before = __atomic_fetch_or(at, bits, __ATOMIC_ACQ_REL);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return before;
}

uint32_t __aarch64_cas4_sync(uint32_t expected, uint32_t desired, uint32_t *at)
{
	__atomic_compare_exchange_n(at, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return expected;
}
