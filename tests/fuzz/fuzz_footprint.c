/* SPDX-License-Identifier: MIT */
/*
 * fuzz_footprint - the guarantee of docs/guarantees.md for histories from
 * bytes.
 *
 * Input: byte 0  pools (1 + b % 3), huge pages (b / 3 % 3)
 *        then 6 bytes a phase, at most 12 of them: kind; pool (% 4) and thread
 *        (bit 2); sizes; amount; two of the seed. A rest below 6 is ignored.
 *
 * Oracle: that of stress/property_footprint.c, without the thread.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "history.h"

#define PHASE_BYTES 6u
#define MOST_PHASES 12u

static struct object objects[HISTORY_MAX_OBJECTS];

static struct phase next_phase(const uint8_t *b)
{
    return (struct phase){
        .kind = b[0],
        .pool = b[1] % 4u,
        .by_other_thread = (b[1] & 4) != 0,
        .sizes = b[2],
        .amount = b[3],
        .seed = (uint32_t)(b[4] << 8 | b[5]),
    };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    struct history h;
    unsigned first = size > 0 ? data[0] : 0;
    size_t n = size > 0 ? (size - 1) / PHASE_BYTES : 0;

    if (!ready) {
        history_init();
        ready = true;
    }
    history_begin(&h, 1 + first % HISTORY_POOLS,
                  (enum zs_huge_pages)(first / 3 % 3), objects);
    for (size_t i = 0; i < n && i < MOST_PHASES; i++) {
        struct phase p = next_phase(data + 1 + i * PHASE_BYTES);

        history_run(&h, &p);
    }
    (void)history_compact_and_check(&h);
    history_end(&h);
    return 0;
}
