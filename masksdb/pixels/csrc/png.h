/* PNG files to runs and regions, without an image in between (PNG specification, third edition).
 *
 * A filter predicts a pixel from its neighbours, so the residuals of a row of a mask are nearly all 0, and a stretch of
 * zeros continues what is on the left or above. Rows are therefore read as stretches: only where a residual is not 0, or
 * the row above changes, is there anything to compute. */
#ifndef MASKSDB_PNG_H
#define MASKSDB_PNG_H

#include "inflate.h"
#include "runs.h"

typedef struct {
    uint32_t width, height;
    unsigned depth, colour, pixel_bits;
    const uint8_t *palette, *transparency;
    size_t palette_bytes, transparency_bytes;
} png_header;

static uint32_t crc_table[8][256];

static void crc_prepare(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
        crc_table[0][byte] = crc;
    }
    for (int table = 1; table < 8; table++)
        for (int byte = 0; byte < 256; byte++) {
            uint32_t crc = crc_table[table - 1][byte];
            crc_table[table][byte] = crc >> 8 ^ crc_table[0][crc & 255];
        }
}

static uint32_t crc_of(const uint8_t *bytes, size_t count) {
    uint32_t crc = UINT32_MAX;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word = load_little(bytes) ^ crc;
        crc = 0;
        for (int i = 0; i < 8; i++) crc ^= crc_table[7 - i][word >> 8 * i & 255];
    }
    for (; count; bytes++, count--) crc = crc >> 8 ^ crc_table[0][(crc ^ *bytes) & 255];
    return ~crc;
}

static inline uint32_t big_endian(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Byte by byte: the sum, half the sum rounded down, and the neighbour that Paeth's filter predicts. */
static inline uint64_t add_bytes(uint64_t a, uint64_t b) {
    const uint64_t LOW = 0x7F7F7F7F7F7F7F7Fu;
    return ((a & LOW) + (b & LOW)) ^ ((a ^ b) & ~LOW);
}

static inline uint64_t mean_bytes(uint64_t a, uint64_t b) { return (a & b) + ((a ^ b) >> 1 & 0x7F7F7F7F7F7F7F7Fu); }

static inline uint64_t paeth_bytes(uint64_t left, uint64_t above, uint64_t corner, unsigned pixel_bytes) {
    if (above == corner) return left;
    if (left == corner) return above;
    uint64_t predicted = 0;
    for (unsigned i = 0; i < pixel_bytes; i++) {
        int a = left >> 8 * i & 255, b = above >> 8 * i & 255, c = corner >> 8 * i & 255;
        int to_a = abs(b - c), to_b = abs(a - c), to_c = abs(a + b - 2 * c);
        predicted |= (uint64_t)(to_a <= to_b && to_a <= to_c ? a : to_b <= to_c ? b : c) << 8 * i;
    }
    return predicted;
}

/* A row of residuals under one of the filters 1 to 4. */
static inline int scan_residuals(scan *s, const uint8_t *row, unsigned filter, uint32_t y, unsigned pixel_bytes) {
    size_t bytes = (size_t)s->width * pixel_bytes, at = next_nonzero(row, 0, bytes);
    uint32_t width = s->width, next = at < bytes ? (uint32_t)(at / pixel_bytes) : NOWHERE;
    const piece *above = s->above;
    if (next == NOWHERE && (filter == 2 || filter == 4)) {
        if (!y && (s->above[0].region = region_of(s, 0, 0)) == NO_REGION) return NO_MEMORY;
        return end_row(s, y, 1);
    }
    uint64_t left = 0, corner = 0;
    s->row_count = 0;
    for (uint32_t x = 0; x < width;) {
        uint64_t value;
        uint32_t end = filter == 1 ? width : above->end;
        switch (filter) {
        case 1: value = left; break;
        case 2: value = above->value; break;
        case 3: value = mean_bytes(left, above->value); break;
        default: value = paeth_bytes(left, above->value, corner, pixel_bytes);
        }
        int is_changed = x == next;
        if (is_changed) {
            value = add_bytes(value, value_at(row, x, pixel_bytes));
            at = next_nonzero(row, ((size_t)x + 1) * pixel_bytes, bytes);
            next = at < bytes ? (uint32_t)(at / pixel_bytes) : NOWHERE;
        }
        /* How far the value goes on while residuals are 0. */
        if ((filter == 2 && is_changed) || (filter == 3 && value != above->value)) end = x + 1;
        if (next < end) end = next;
        if (put_piece(s, value, end, above->value, above->region, y) != DONE) return NO_MEMORY;
        left = value;
        corner = above->value;
        if (filter != 1 && end == above->end) above++;
        x = end;
    }
    return end_row(s, y, 0);
}

static int scan_filtered(scan *s, const uint8_t *row, unsigned filter, uint32_t y) {
/* Of a size that the compiler knows, so that a pixel is a few instructions. */
#define OF_SIZE(size) \
    case size: return filter ? scan_residuals(s, row, filter, y, size) : scan_pixels(s, row, y, size)
    switch (s->pixel_bytes) {
        OF_SIZE(1);
        OF_SIZE(2);
        OF_SIZE(3);
        OF_SIZE(4);
        OF_SIZE(6);
        OF_SIZE(8);
    }
#undef OF_SIZE
    return REFUSED;
}

/* Take a row of packed pixels back from its filter; `above` is the one before it, both of bytes. */
static void unfilter_packed(uint8_t *row, const uint8_t *above, size_t bytes, unsigned filter) {
    uint8_t left = 0, corner = 0;
    for (size_t i = 0; filter && i < bytes; i++) {
        uint64_t predicted = filter == 1 ? left : filter == 2 ? above[i] : filter == 3 ? mean_bytes(left, above[i]) : paeth_bytes(left, above[i], corner, 1);
        left = row[i] = (uint8_t)(row[i] + predicted);
        corner = above[i];
    }
}

static void unpack(uint8_t *pixels, const uint8_t *row, uint32_t width, unsigned depth) {
    for (uint32_t x = 0; x < width; x++) {
        size_t bit = (size_t)x * depth;
        pixels[x] = (uint8_t)(row[bit / 8] >> (8 - depth - bit % 8)) & (uint8_t)((1u << depth) - 1);
    }
}

/* Check the header and all chunks that matter. *pixels: the stream of all IDAT chunks; *joined: what to free of it. */
static int read_chunks(const uint8_t *data, size_t length, png_header *h, const uint8_t **pixels, size_t *pixel_bytes, uint8_t **joined) {
    static const uint8_t CHANNELS[7] = {1, 0, 3, 1, 2, 0, 4};
    if (length < 57 || memcmp(data, "\x89PNG\r\n\x1a\n\0\0\0\x0DIHDR", 16)) return REFUSED;
    if (crc_of(data + 12, 17) != big_endian(data + 29)) return REFUSED;
    memset(h, 0, sizeof *h);
    h->width = big_endian(data + 16);
    h->height = big_endian(data + 20);
    h->depth = data[24];
    h->colour = data[25];
    /* Neither another method of compression or filters, nor seven passes. */
    if (data[26] || data[27] || data[28] || h->colour > 6 || !CHANNELS[h->colour]) return REFUSED;
    if (!h->width || !h->height || h->width > INT32_MAX || h->height > INT32_MAX) return REFUSED;
    int is_packed = h->depth == 1 || h->depth == 2 || h->depth == 4;
    if (!(h->depth == 8 || (h->depth == 16 && h->colour != 3) || (is_packed && CHANNELS[h->colour] == 1))) return REFUSED;
    h->pixel_bits = CHANNELS[h->colour] * h->depth;

    size_t parts = 0, total = 0, first = 0;
    for (size_t at = 33;;) {
        if (length - at < 12) return REFUSED;
        size_t size = big_endian(data + at);
        if (size > length - at - 12) return REFUSED;
        const uint8_t *kind = data + at + 4, *content = data + at + 8;
        int is_pixels = !memcmp(kind, "IDAT", 4), is_palette = !memcmp(kind, "PLTE", 4);
        int is_transparency = !memcmp(kind, "tRNS", 4);
        if ((is_pixels || is_palette || is_transparency) && crc_of(kind, size + 4) != big_endian(content + size)) return REFUSED;
        if (is_pixels) {
            if (!parts++) {
                first = at;
                *pixels = content;
            }
            total += size;
        } else if (!parts && is_palette) {
            h->palette = content;
            h->palette_bytes = size;
        } else if (!parts && is_transparency) {
            h->transparency = content;
            h->transparency_bytes = size;
        } else if (!memcmp(kind, "IEND", 4)) {
            break;
        }
        at += size + 12;
    }
    if (!parts || total < 6 || (h->colour == 3 && !h->palette_bytes)) return REFUSED;
    *pixel_bytes = total;
    if (parts == 1) return DONE;
    uint8_t *to = *joined = malloc(total);
    if (!to) return NO_MEMORY;
    for (size_t at = first; parts; at += (size_t)big_endian(data + at) + 12) {
        if (memcmp(data + at + 4, "IDAT", 4)) continue;
        memcpy(to, data + at + 8, big_endian(data + at));
        to += big_endian(data + at);
        parts--;
    }
    *pixels = *joined;
    return DONE;
}

/* Inflate the pixels a few rows at a time, and read the rows. */
static int read_rows(scan *s, const png_header *h, const uint8_t *pixels, size_t pixel_bytes) {
    size_t row_bytes = ((size_t)h->width * h->pixel_bits + 7) / 8, stride = row_bytes + 1;
    size_t portion = stride * 4 > 98304 ? stride * 4 : 98304, kept = WINDOW_BYTES + stride;
    int result = NO_MEMORY, is_packed = h->depth < 8;
    uint8_t *window = malloc(kept + portion + SLACK_BYTES);
    uint8_t *unpacked = is_packed ? malloc((size_t)h->width + 8) : NULL;
    uint8_t *above = is_packed ? calloc(2, row_bytes) : NULL;
    inflater *stream = malloc(sizeof *stream);
    if (!window || !stream || (is_packed && (!unpacked || !above))) goto end;

    result = REFUSED;
    if ((pixels[0] & 15) != 8 || ((unsigned)pixels[0] << 8 | pixels[1]) % 31 || pixels[1] & 32) goto end;
    inflate_start(stream, pixels + 2, pixel_bytes - 2);
    uint8_t *out = window, *row = window;
    for (uint32_t y = 0; y < h->height;) {
        int state = inflate_until(stream, window, &out, window + kept + portion);
        if (state == INFLATE_BAD) goto end;
        for (; y < h->height && (size_t)(out - row) >= stride; y++, row += stride) {
            unsigned filter = row[0];
            const uint8_t *samples = row + 1;
            if (filter > 4) goto end;
            if (is_packed) {
                uint8_t *now = above + (y & 1) * row_bytes;
                memcpy(now, samples, row_bytes);
                unfilter_packed(now, above + (~y & 1) * row_bytes, row_bytes, filter);
                unpack(unpacked, now, h->width, h->depth);
                samples = unpacked;
                filter = 0;
            }
            result = scan_filtered(s, samples, filter, y);
            if (result != DONE) goto end;
            result = REFUSED;
        }
        if (y < h->height && state == INFLATE_END) goto end;
        /* Keep what matches may refer to, and the row that is not complete. */
        uint8_t *from = (size_t)(out - window) > WINDOW_BYTES ? out - WINDOW_BYTES : window;
        if (row < from) from = row;
        memmove(window, from, (size_t)(out - from));
        out -= from - window;
        row -= from - window;
    }
    result = DONE;
end:
    free(window);
    free(unpacked);
    free(above);
    free(stream);
    return result;
}

/* The runs and regions of a PNG file. REFUSED: damaged, larger than the limits, or of a kind that is left to others. */
static int scan_png(scan *s, png_header *h, const uint8_t *data, size_t length, uint64_t pixel_limit, size_t run_limit) {
    const uint8_t *pixels = NULL;
    uint8_t *joined = NULL;
    size_t pixel_bytes = 0;
    memset(s, 0, sizeof *s);
    int result = read_chunks(data, length, h, &pixels, &pixel_bytes, &joined);
    if (result == DONE) {
        uint64_t row_bytes = ((uint64_t)h->width * h->pixel_bits + 7) / 8;
        /* One byte of a stream makes at most 1032. */
        if ((uint64_t)h->width * h->height > pixel_limit || row_bytes * h->height > (uint64_t)pixel_bytes * 1032) result = REFUSED;
    }
    if (result == DONE) result = scan_start(s, h->width, h->height, h->pixel_bits < 8 ? 1 : h->pixel_bits / 8, run_limit);
    if (result == DONE) result = read_rows(s, h, pixels, pixel_bytes);
    if (result == DONE) result = sort_regions(s);
    free(joined);
    return result;
}

#endif
