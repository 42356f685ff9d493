/* SPDX-License-Identifier: MIT */
/* lzf.h - undoing LZF, which Redis packs strings of a dump with. */
#ifndef ZSREPORT_LZF_H
#define ZSREPORT_LZF_H

#include <stdbool.h>
#include <stddef.h>

/* Most bytes that one byte of LZF can stand for: 264 from 3. */
#define LZF_MAX_GAIN 88u

/* True when `in` is sound and makes exactly out_len bytes. Never reads or
 * writes outside of both. */
bool lzf_decompress(const unsigned char *in, size_t in_len, unsigned char *out,
                    size_t out_len);

#endif /* ZSREPORT_LZF_H */
