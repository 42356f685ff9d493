/* SPDX-License-Identifier: MIT */
/*
 * fuzz_dumps.c - dumps that somebody else wrote, or damaged.
 *
 * Input: one byte, then a file. The byte: bits 0-2 the format (that of enum
 * format, modulo 5), bits 3-4 the unit (modulo 3), bit 5 all types.
 *
 * Oracle: no crash, overrun or leak (sanitizers); an error has a message and a
 * place within the input; all bytes of values that came in are accounted for,
 * and the kept ones stay within the bound.
 */
#include <stdlib.h>

#include "check.h"
#include "formats.h"

#define MAX_KEPT_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_values(const struct values *v)
{
    uint64_t n = 0, bytes = 0, kept = 0;

    for (unsigned i = 0; i < N_SIZES; i++) {
        n += v->n_of_size[i];
        bytes += v->bytes_of_size[i];
    }
    for (size_t i = 0; i < v->n_kept; i++) {
        ZS_CHECK(v->kept[i].at == kept);
        kept += v->kept[i].len;
    }
    ZS_CHECK(n == v->n_all && bytes == v->bytes_all);
    ZS_CHECK(kept == v->n_bytes);
    ZS_CHECK(kept <= MAX_KEPT_BYTES || v->n_kept == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct values values;
    struct intake in = { .values = &values };
    struct reader r;
    bool ok;

    if (size == 0) {
        return 0;
    }
    ZS_CHECK(values_open(&values, MAX_KEPT_BYTES));
    in.format = (enum format)((data[0] & 7) % 5);
    in.all_types = (data[0] & 32) != 0;
    reader_open_memory(&r, data + 1, size - 1);
    ok = read_stream(&in, &r, (enum unit)((data[0] >> 3 & 3) % 3));
    ZS_CHECK(ok == !r.failed);
    if (!ok) {
        ZS_CHECK(r.error[0] != '\0' && r.error_at <= size - 1);
    }
    check_values(&values);
    free(in.blob.data);
    free(in.key.data);
    values_close(&values);
    return 0;
}
