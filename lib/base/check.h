/* SPDX-License-Identifier: MIT */
/* check.h - the three kinds of assertion. See CONTRIBUTING, "Assertions". */
#ifndef ZS_LIB_CHECK_H
#define ZS_LIB_CHECK_H

#include <stddef.h>

/* Prints with write(2) and aborts: the heap may be what is broken. */
_Noreturn void zs_check_failed(const char *what, const char *file, int line,
                               const char *func);

/*
 * Stop because the caller misused the library. `what` is a whole sentence;
 * `number` is the handle or page it is about, `state` what it was found in.
 */
_Noreturn void zs_misuse(const char *func, const char *what, unsigned number,
                         const char *state);

#define ZS_CHECK_(c)                                                           \
    ((c) ? (void)0 : zs_check_failed(#c, __FILE__, __LINE__, __func__))
#define ZS_UNUSED_(c) ((void)sizeof((c) ? 1 : 0)) /* compiled, never run */

/* Always on. Damage that must stop the process: bad handle, double free. */
#define ZS_CHECK(c) ZS_CHECK_(c)

/* -Dchecks=on (default). O(1) pre- and postconditions. */
#if ZS_CHECKS >= 1
#define ZS_ASSERT(c) ZS_CHECK_(c)
#else
#define ZS_ASSERT(c) ZS_UNUSED_(c)
#endif

/* -Dchecks=full. Whole-structure walks: ZS_ASSERT_SLOW(zspage_is_valid(z)) */
#if ZS_CHECKS >= 2
#define ZS_ASSERT_SLOW(c) ZS_CHECK_(c)
#else
#define ZS_ASSERT_SLOW(c) ZS_UNUSED_(c)
#endif

#endif /* ZS_LIB_CHECK_H */
