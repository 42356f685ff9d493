/* SPDX-License-Identifier: MIT */
/*
 * lzf.c - undoing LZF.
 *
 * A stream of two kinds of items:
 *
 *   000lllll                    l + 1 bytes follow, to be copied
 *   lllooooo oooooooo           copy l + 2 bytes from o + 1 bytes back; l < 7
 *   111ooooo llllllll oooooooo  likewise, l + 9 bytes
 *
 * A copy may reach into what it writes: then bytes repeat.
 */
#include "lzf.h"

#include <string.h>

struct lzf {
    const unsigned char *in, *in_end;
    unsigned char *out, *out_begin, *out_end;
};

static bool copy_literal(struct lzf *z, size_t n)
{
    if ((size_t)(z->in_end - z->in) < n || (size_t)(z->out_end - z->out) < n) {
        return false;
    }
    memcpy(z->out, z->in, n);
    z->in += n;
    z->out += n;
    return true;
}

static bool copy_back(struct lzf *z, unsigned first)
{
    size_t n = first >> 5, back = (size_t)(first & 31u) << 8;

    if (n == 7) {
        if (z->in == z->in_end) {
            return false;
        }
        n += *z->in++;
    }
    n += 2;
    if (z->in == z->in_end) {
        return false;
    }
    back += (size_t)*z->in++ + 1;
    if ((size_t)(z->out - z->out_begin) < back ||
        (size_t)(z->out_end - z->out) < n) {
        return false;
    }
    for (; n > 0; n--, z->out++) {
        *z->out = *(z->out - back);
    }
    return true;
}

bool lzf_decompress(const unsigned char *in, size_t in_len, unsigned char *out,
                    size_t out_len)
{
    struct lzf z = { in, in + in_len, out, out, out + out_len };

    while (z.in < z.in_end) {
        unsigned first = *z.in++;
        bool ok = first < 32 ? copy_literal(&z, (size_t)first + 1)
                             : copy_back(&z, first);

        if (!ok) {
            return false;
        }
    }
    return z.out == z.out_end;
}
