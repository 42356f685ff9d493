/* SPDX-License-Identifier: MIT */
/*
 * dict_fixture.h - records that have much in common: JSON, and HTML, made up.
 */
#ifndef ZS_TEST_DICT_FIXTURE_H
#define ZS_TEST_DICT_FIXTURE_H

#include <stdint.h>
#include <stdio.h>

/* The same for the same i. At most 400 bytes; returns the length. */
static inline size_t make_json(char *out, uint32_t i)
{
    static const char *const kinds[] = { "language", "territory", "currency",
                                         "script" };
    static const char *const scopes[] = { "individual", "macrolanguage",
                                          "collection", "special" };
    uint32_t r = i * 2654435761u;

    return (size_t)sprintf(
        out,
        "{\"identifier\":\"%08x\",\"kind\":\"%s\",\"scope\":\"%s\","
        "\"display_name\":\"name %u of %u\",\"is_deprecated\":%s,"
        "\"population\":%u}",
        r, kinds[r >> 30], scopes[r >> 28 & 3], r >> 20, r >> 7 & 1023,
        (r & 64) != 0 ? "true" : "false", r % 1000003);
}

static inline size_t make_html(char *out, uint32_t i)
{
    uint32_t r = i * 2246822519u;

    return (size_t)sprintf(
        out,
        "<tr class=\"row%u\"><td class=\"cell number\">%u</td>"
        "<td class=\"cell link\"><a href=\"https://example.org/items/%x\">item "
        "%u</a></td><td class=\"cell price\">&euro; %u,%02u</td></tr>",
        i & 1, i, r, r >> 12, r >> 22, r % 100);
}

#endif /* ZS_TEST_DICT_FIXTURE_H */
