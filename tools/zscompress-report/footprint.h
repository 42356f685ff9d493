/* SPDX-License-Identifier: MIT */
/*
 * footprint.h - what objects of given sizes take in a pool, all metadata
 * counted, and what a real store takes for values.
 *
 * Idea. The store makes one object of each value, so a pool that holds objects
 * of those sizes takes what the store would. That answers for codecs and
 * dictionaries that no store at hand has, and lets a small sample stand for
 * large data: its sizes are put in as often as it takes.
 */
#ifndef ZSREPORT_FOOTPRINT_H
#define ZSREPORT_FOOTPRINT_H

#include <stdint.h>

#include "codecs.h"
#include "split.h"

/* Footprint after a compaction of n objects, `times` times, and of n_same
 * objects of 4 bytes. 0 or a negative errno. */
int footprint_of_objects(const uint32_t *sizes, size_t n, unsigned times,
                         uint64_t n_same, uint64_t *out);

/* The same of a real store with the measured values; *header_bytes as it says.
 * -ENOTSUP: the library's store has no such codec. */
int footprint_of_store(const struct codec *codec, const struct values *v,
                       const struct split *s, uint64_t *out,
                       uint64_t *header_bytes);

#endif /* ZSREPORT_FOOTPRINT_H */
