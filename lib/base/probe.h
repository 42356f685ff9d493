/* SPDX-License-Identifier: MIT */
/*
 * probe.h - trace points. ZS_PROBE2(name, a, b) is one nop when no tracer is
 * attached (USDT), and nothing at all with -Dprobes=disabled; either way the
 * arguments are compiled, so a probe cannot rot. List: docs/probes.md, which a
 * test compares with the sources and with the notes of the built library.
 */
#ifndef ZS_LIB_PROBE_H
#define ZS_LIB_PROBE_H

#ifdef ZS_HAVE_SDT
#include <sys/sdt.h>
#define ZS_PROBE2(name, a, b) DTRACE_PROBE2(zspool, name, a, b)
#else
#define ZS_PROBE2(name, a, b) ((void)(a), (void)(b))
#endif

#endif /* ZS_LIB_PROBE_H */
