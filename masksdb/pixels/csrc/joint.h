/* Runs of a mask to other facts: the pairs of values of two masks, and the mask read column by column. */
#ifndef MASKSDB_JOINT_H
#define MASKSDB_JOINT_H

#include "runs.h"

static inline uint32_t number_at(const void *numbers, size_t bytes, size_t place) {
    switch (bytes) {
    case 1: return ((const uint8_t *)numbers)[place];
    case 2: return ((const uint16_t *)numbers)[place];
    default: return ((const uint32_t *)numbers)[place];
    }
}

static inline void put_number(void *numbers, size_t bytes, size_t place, uint64_t number) {
    switch (bytes) {
    case 1: ((uint8_t *)numbers)[place] = (uint8_t)number; break;
    case 2: ((uint16_t *)numbers)[place] = (uint16_t)number; break;
    case 4: ((uint32_t *)numbers)[place] = (uint32_t)number; break;
    default: ((uint64_t *)numbers)[place] = number;
    }
}

/* Codes of samples of 16 bits as the machine holds them: exchange the bytes of each sample where the lowest is first. */
static void swap_codes(scan *s) {
    const uint16_t probe = 1;
    if (!*(const uint8_t *)&probe) return;
    for (uint32_t i = 0; i < s->region_count; i++) {
        uint64_t code = s->regions[i].code;
        s->regions[i].code = (code & 0x00FF00FF00FF00FFu) << 8 | (code >> 8 & 0x00FF00FF00FF00FFu);
    }
}

typedef struct {
    int64_t *pairs, *pixels;
    size_t count;
} joint;

static void joint_free(joint *j) {
    free(j->pairs);
    free(j->pixels);
}

typedef struct {
    int64_t pair, pixels;
} pair_count;

static int compare_pairs(const void *one, const void *other) {
    int64_t a = ((const pair_count *)one)->pair, b = ((const pair_count *)other)->pair;
    return (a > b) - (a < b);
}

/* Count the pairs in a table of all that are possible, or, where these are too many, of those that occur. */
static int joint_count(joint *j, const int64_t *starts, const void *ids, size_t id_bytes, size_t runs,
                       const int64_t *other_starts, const void *other_ids, size_t other_bytes, size_t other_runs,
                       uint64_t count, uint64_t other_count, int64_t total) {
    uint64_t possible = count * other_count, most = runs + other_runs;
    int is_table = possible <= 4096 || possible <= most;
    size_t bits = 4;
    if (!is_table)
        while ((uint64_t)1 << bits < 2 * (most < possible ? most : possible)) bits++;
    size_t room = is_table ? (size_t)possible : (size_t)1 << bits, mask = room - 1, found = 0;
    pair_count *table = malloc((room + 1) * sizeof *table);
    if (!table) return NO_MEMORY;
    for (size_t i = 0; i < room; i++) table[i] = (pair_count){is_table ? (int64_t)i : -1, 0};
    int64_t at = 0;
    for (size_t a = 0, b = 0; a < runs;) {
        int64_t end_a = a + 1 < runs ? starts[a + 1] : total, end_b = b + 1 < other_runs ? other_starts[b + 1] : total;
        int64_t end = end_a < end_b ? end_a : end_b;
        int64_t pair = (int64_t)((uint64_t)number_at(ids, id_bytes, a) * other_count + number_at(other_ids, other_bytes, b));
        size_t slot = (size_t)pair;
        if (!is_table) {
            slot = (size_t)((uint64_t)pair * 0x9E3779B97F4A7C15u >> (64 - bits));
            while (table[slot].pair != pair && table[slot].pair >= 0) slot = (slot + 1) & mask;
            table[slot].pair = pair;
        }
        table[slot].pixels += end - at;
        at = end;
        if (end == end_a) a++;
        if (end == end_b) b++;
    }
    for (size_t i = 0; i < room; i++)
        if (table[i].pixels) table[found++] = table[i];
    if (!is_table) qsort(table, found, sizeof *table, compare_pairs);
    j->pairs = malloc((found + 1) * sizeof *j->pairs);
    j->pixels = malloc((found + 1) * sizeof *j->pixels);
    for (size_t i = 0; j->pairs && j->pixels && i < found; i++) {
        j->pairs[i] = table[i].pair;
        j->pixels[i] = table[i].pixels;
    }
    j->count = found;
    free(table);
    return j->pairs && j->pixels ? DONE : NO_MEMORY;
}

typedef struct {
    int64_t *starts;
    void *ids;
    size_t count;
} columns;

static void columns_free(columns *c) {
    free(c->starts);
    free(c->ids);
}

/* Pixels that begin a run of their column: count them by column, or write them where their column begins. */
static inline void put_changes(columns *c, size_t *places, int64_t from, int64_t to, uint32_t id, size_t id_bytes,
                               int64_t height, int64_t width, int is_counting) {
    for (int64_t y = from / width, x = from % width; from < to; from++) {
        size_t place = places[x]++;
        if (!is_counting) {
            c->starts[place] = x * height + y;
            put_number(c->ids, id_bytes, place, id);
        }
        if (++x == width) {
            x = 0;
            y++;
        }
    }
}

/* All pixels that are not the value of the one above them, in reading order. */
static inline void find_changes(columns *c, size_t *places, const int64_t *starts, const void *ids, size_t id_bytes,
                                size_t runs, int64_t height, int64_t width, int is_counting) {
    for (size_t run = 0, above = 0; run < runs; run++) {
        int64_t from = starts[run], end = run + 1 < runs ? starts[run + 1] : height * width;
        uint32_t id = number_at(ids, id_bytes, run);
        while (from < end) {
            int64_t to = end;
            int is_change = 1;
            if (from < width) {
                if (to > width) to = width;
            } else {
                while (above + 1 < runs && starts[above + 1] <= from - width) above++;
                int64_t end_above = (above + 1 < runs ? starts[above + 1] : height * width) + width;
                if (to > end_above) to = end_above;
                is_change = number_at(ids, id_bytes, above) != id;
            }
            if (is_change) put_changes(c, places, from, to, id, id_bytes, height, width, is_counting);
            from = to;
        }
    }
}

/* The runs of the columns. Those of each are counted first; going down the rows then leaves them in order. A run that
 * goes on from the end of one column in the next is one. */
static int columns_find(columns *c, const int64_t *starts, const void *ids, size_t id_bytes, size_t runs, int64_t height, int64_t width) {
    size_t *places = calloc((size_t)width, sizeof *places), all = 0;
    if (!places) return NO_MEMORY;
    find_changes(c, places, starts, ids, id_bytes, runs, height, width, 1);
    for (int64_t x = 0; x < width; x++) {
        size_t count = places[x];
        places[x] = all;
        all += count;
    }
    c->starts = malloc(all * sizeof *c->starts);
    c->ids = malloc(all * id_bytes);
    if (c->starts && c->ids) {
        find_changes(c, places, starts, ids, id_bytes, runs, height, width, 0);
        for (size_t i = 0; i < all; i++) {
            uint32_t id = number_at(c->ids, id_bytes, i);
            if (c->count && number_at(c->ids, id_bytes, c->count - 1) == id) continue;
            c->starts[c->count] = c->starts[i];
            put_number(c->ids, id_bytes, c->count++, id);
        }
    }
    free(places);
    return c->starts && c->ids ? DONE : NO_MEMORY;
}

#endif
