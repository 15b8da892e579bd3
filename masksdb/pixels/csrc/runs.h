/* Rows of pixels to runs of equal pixels, and to the area, box and sums of every distinct value. */
#ifndef MASKSDB_RUNS_H
#define MASKSDB_RUNS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inflate.h"

enum { DONE, NO_MEMORY, REFUSED };

#define NO_REGION UINT32_MAX
#define NOWHERE UINT32_MAX

/* A distinct value. code: its bytes in the order of the file, the first one highest. */
typedef struct {
    uint64_t code;
    int64_t area, x_min, y_min, x_max, y_max, sum_x, sum_y;
} region;

/* A stretch of equal pixels of one row, up to the column `end`. */
typedef struct {
    uint32_t end, region;
    uint64_t value;
} piece;

typedef struct {
    uint32_t width, height;
    unsigned pixel_bytes;
    region *regions; /* in the order in which they were met */
    uint32_t region_count, region_room;
    int64_t *starts; /* of runs in reading order, which may continue in the next rows */
    uint32_t *ids;   /* the region of each run */
    size_t run_count, run_room, run_limit;
    piece *row, *above; /* the row that is being read, and the one before it */
    uint32_t row_count, above_count;
    uint64_t last_value;
    uint32_t last_region;
    uint32_t *slots; /* a hash table of regions by value, of 1 << slot_bits */
    unsigned slot_bits;
} scan;

static void scan_free(scan *s) {
    free(s->regions);
    free(s->starts);
    free(s->ids);
    free(s->row);
    free(s->above);
    free(s->slots);
}

static int scan_start(scan *s, uint32_t width, uint32_t height, unsigned pixel_bytes, size_t run_limit) {
    memset(s, 0, sizeof *s);
    s->width = width;
    s->height = height;
    s->pixel_bytes = pixel_bytes;
    s->run_limit = run_limit;
    s->last_region = NO_REGION;
    s->slot_bits = 9;
    s->row = malloc(((size_t)width + 1) * sizeof *s->row);
    s->above = malloc(((size_t)width + 1) * sizeof *s->above);
    s->slots = malloc(sizeof *s->slots << s->slot_bits);
    if (!s->row || !s->above || !s->slots) return NO_MEMORY;
    memset(s->slots, 255, sizeof *s->slots << s->slot_bits);
    s->above[0] = (piece){width, NO_REGION, 0};
    s->above_count = 1;
    return DONE;
}

static inline uint32_t *slot_of(const scan *s, uint64_t value) {
    size_t mask = ((size_t)1 << s->slot_bits) - 1;
    size_t at = (size_t)(value * 0x9E3779B97F4A7C15u >> (64 - s->slot_bits));
    while (s->slots[at] != NO_REGION && s->regions[s->slots[at]].code != value) at = (at + 1) & mask;
    return s->slots + at;
}

static int grow_regions(scan *s) {
    uint32_t room = s->region_room ? 2 * s->region_room : 64;
    region *regions = realloc(s->regions, room * sizeof *regions);
    if (!regions) return NO_MEMORY;
    s->regions = regions;
    s->region_room = room;
    if ((size_t)room * 2 <= (size_t)1 << s->slot_bits) return DONE;
    unsigned bits = s->slot_bits + 2;
    uint32_t *slots = malloc(sizeof *slots << bits);
    if (!slots) return NO_MEMORY;
    free(s->slots);
    s->slots = slots;
    s->slot_bits = bits;
    memset(slots, 255, sizeof *slots << bits);
    for (uint32_t i = 0; i < s->region_count; i++) *slot_of(s, s->regions[i].code) = i;
    return DONE;
}

/* The region of a value, which begins in row y if it is new; NO_REGION without memory for it. */
static uint32_t region_of(scan *s, uint64_t value, uint32_t y) {
    if (s->last_region != NO_REGION && s->last_value == value) return s->last_region;
    uint32_t *slot = slot_of(s, value);
    if (*slot == NO_REGION) {
        if (s->region_count == s->region_room) {
            if (grow_regions(s) != DONE) return NO_REGION;
            slot = slot_of(s, value);
        }
        s->regions[s->region_count] = (region){.code = value, .x_min = s->width, .x_max = -1, .y_min = y};
        *slot = s->region_count++;
    }
    s->last_value = value;
    s->last_region = *slot;
    return *slot;
}

/* The value of a pixel: its bytes, the first one highest. */
static inline uint64_t value_at(const uint8_t *row, size_t x, unsigned pixel_bytes) {
    uint64_t value = 0;
    for (unsigned i = 0; i < pixel_bytes; i++) value = value << 8 | row[x * pixel_bytes + i];
    return value;
}

/* Add stretch by stretch what a row is; a stretch of the same value as the one before makes that longer. */
static inline int put_piece(scan *s, uint64_t value, uint32_t end, uint64_t near_value, uint32_t near_region, uint32_t y) {
    uint32_t count = s->row_count;
    if (count && s->row[count - 1].value == value) {
        s->row[count - 1].end = end;
        return DONE;
    }
    uint32_t id = value == near_value && near_region != NO_REGION ? near_region : region_of(s, value, y);
    if (id == NO_REGION) return NO_MEMORY;
    s->row[count] = (piece){end, id, value};
    s->row_count = count + 1;
    return DONE;
}

/* The first of the bytes from `at` on that is not 0, or `end`. */
static inline size_t next_nonzero(const uint8_t *bytes, size_t at, size_t end) {
    while (at + 8 <= end && !load_little(bytes + at)) at += 8;
    while (at < end && !bytes[at]) at++;
    return at;
}

/* The first of the bytes from `at` on that is not the one `step` bytes before it, or `end`. */
static inline size_t next_change(const uint8_t *bytes, size_t at, size_t end, unsigned step) {
    while (at + 8 <= end && load_little(bytes + at) == load_little(bytes + at - step)) at += 8;
    while (at < end && bytes[at] == bytes[at - step]) at++;
    return at;
}

/* Count the pieces of a row, and go on to the next one. */
static int end_row(scan *s, uint32_t y, int is_as_above) {
    if (!is_as_above) {
        piece *row = s->row;
        s->row = s->above;
        s->above = row;
        s->above_count = s->row_count;
    }
    if (s->run_room - s->run_count < s->above_count) {
        size_t room = 2 * s->run_room + s->above_count + 256;
        int64_t *starts = realloc(s->starts, room * sizeof *starts);
        if (starts) s->starts = starts;
        uint32_t *ids = realloc(s->ids, room * sizeof *ids);
        if (ids) s->ids = ids;
        if (!starts || !ids) return NO_MEMORY;
        s->run_room = room;
    }
    int64_t start = (int64_t)y * s->width;
    uint32_t last = s->run_count ? s->ids[s->run_count - 1] : NO_REGION;
    for (uint32_t i = 0, x = 0; i < s->above_count; i++) {
        uint32_t id = s->above[i].region, end = s->above[i].end;
        region *r = s->regions + id;
        int64_t length = end - x;
        r->area += length;
        r->sum_x += ((int64_t)x + end - 1) * length / 2;
        r->sum_y += (int64_t)y * length;
        r->y_max = y;
        if (x < r->x_min) r->x_min = x;
        if ((int64_t)end - 1 > r->x_max) r->x_max = (int64_t)end - 1;
        if (id != last) {
            s->starts[s->run_count] = start + x;
            s->ids[s->run_count++] = id;
            last = id;
        }
        x = end;
    }
    return s->run_count > s->run_limit ? REFUSED : DONE;
}

/* A row of pixels as they are. */
static inline int scan_pixels(scan *s, const uint8_t *row, uint32_t y, unsigned pixel_bytes) {
    size_t bytes = (size_t)s->width * pixel_bytes;
    s->row_count = 0;
    for (uint32_t x = 0; x < s->width;) {
        size_t change = next_change(row, ((size_t)x + 1) * pixel_bytes, bytes, pixel_bytes);
        uint32_t end = (uint32_t)(change / pixel_bytes);
        if (put_piece(s, value_at(row, x, pixel_bytes), end, 0, NO_REGION, y) != DONE) return NO_MEMORY;
        x = end;
    }
    return end_row(s, y, 0);
}

static int compare_codes(const void *one, const void *other) {
    uint64_t a = ((const region *)one)->code, b = ((const region *)other)->code;
    return (a > b) - (a < b);
}

/* Put the regions in ascending order of their codes. sum_y holds the old place on the way. */
static int sort_regions(scan *s) {
    uint32_t count = s->region_count;
    uint32_t *places = malloc((count + 1) * sizeof *places);
    int64_t *sums = malloc((count + 1) * sizeof *sums);
    if (!places || !sums) {
        free(places);
        free(sums);
        return NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) {
        sums[i] = s->regions[i].sum_y;
        s->regions[i].sum_y = i;
    }
    qsort(s->regions, count, sizeof *s->regions, compare_codes);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t old = (uint32_t)s->regions[i].sum_y;
        places[old] = i;
        s->regions[i].sum_y = sums[old];
    }
    for (size_t i = 0; i < s->run_count; i++) s->ids[i] = places[s->ids[i]];
    free(places);
    free(sums);
    return DONE;
}

#endif
