/* Raw DEFLATE (RFC 1951), decoded piece by piece, so that rows are read while they are in the processor's cache.
 * Nothing is allocated. A stream that is damaged or cut off ends in INFLATE_BAD; no byte outside the input is read. */
#ifndef MASKSDB_INFLATE_H
#define MASKSDB_INFLATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { INFLATE_MORE, INFLATE_END, INFLATE_BAD };

enum {
    WINDOW_BYTES = 32768, /* how far back a match may refer */
    SLACK_BYTES = 320,    /* the longest match, and what is written past its end */
    TABLE_BITS = 10,
    LONGEST_CODE = 15,
    LITERALS = 288,
    DISTANCES = 32,
};

/* A prefix code. Codes of at most TABLE_BITS are found in the table, as symbol << 4 | length; 0 stands for the others,
 * which are rare by construction and are decoded bit by bit from the canonical form. */
typedef struct {
    uint16_t table[1 << TABLE_BITS];
    uint16_t counts[LONGEST_CODE + 1]; /* codes of each length */
    uint16_t symbols[LITERALS];        /* in the order of their codes */
} prefix_code;

typedef struct {
    const uint8_t *next, *end; /* the input that is left */
    uint64_t bits;             /* taken from the input, the next one lowest */
    unsigned bit_count;
    unsigned missing; /* bytes that were made up after the end of the input */
    enum { AT_HEADER, IN_STORED, IN_CODES, AT_END } state;
    int is_last_block;
    uint32_t stored_bytes;
    prefix_code literals, distances;
} inflater;

static void inflate_start(inflater *s, const uint8_t *input, size_t length) {
    s->next = input;
    s->end = input + length;
    s->bits = 0;
    s->bit_count = 0;
    s->missing = 0;
    s->state = AT_HEADER;
    s->is_last_block = 0;
    s->stored_bytes = 0;
}

static inline uint64_t load_little(const uint8_t *p) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++) word |= (uint64_t)p[i] << 8 * i;
#else
    uint64_t word;
    memcpy(&word, p, 8);
#endif
    return word;
}

/* Have at least 56 bits. */
static inline void refill(inflater *s) {
    if (s->end - s->next >= 8) {
        s->bits |= load_little(s->next) << s->bit_count;
        s->next += (63 - s->bit_count) >> 3;
        s->bit_count |= 56;
        return;
    }
    for (; s->bit_count < 56; s->bit_count += 8) {
        if (s->next < s->end) s->bits |= (uint64_t)*s->next++ << s->bit_count;
        else s->missing++;
    }
}

static inline unsigned take(inflater *s, unsigned count) {
    unsigned taken = (unsigned)(s->bits & (((uint64_t)1 << count) - 1));
    s->bits >>= count;
    s->bit_count -= count;
    return taken;
}

/* Whether bits were used that the input does not have. */
static inline int is_beyond_end(const inflater *s) { return s->missing * 8 > s->bit_count; }

/* The code with these lengths of its symbols. 0 where they are too many for a prefix code, or too few: only a code of
 * a single bit, and none at all, may be incomplete. */
static int make_code(prefix_code *code, const uint8_t *lengths, unsigned symbol_count) {
    unsigned used = 0, offsets[LONGEST_CODE + 2];
    int unused = 1;
    memset(code->counts, 0, sizeof code->counts);
    for (unsigned symbol = 0; symbol < symbol_count; symbol++) code->counts[lengths[symbol]]++;
    code->counts[0] = 0;
    offsets[1] = 0;
    for (unsigned length = 1; length <= LONGEST_CODE; length++) {
        unused = 2 * unused - code->counts[length];
        if (unused < 0) return 0;
        used += code->counts[length];
        offsets[length + 1] = used;
    }
    if (unused && !(used == 0 || (used == 1 && code->counts[1] == 1))) return 0;
    for (unsigned symbol = 0; symbol < symbol_count; symbol++)
        if (lengths[symbol]) code->symbols[offsets[lengths[symbol]]++] = (uint16_t)symbol;

    memset(code->table, 0, sizeof code->table);
    unsigned place = 0, bits = 0; /* bits: the code with its first bit lowest, as it comes */
    for (unsigned length = 1; length <= TABLE_BITS; length++) {
        for (unsigned i = 0; i < code->counts[length]; i++) {
            uint16_t entry = (uint16_t)(code->symbols[place++] << 4 | length);
            for (unsigned at = bits; at < 1u << TABLE_BITS; at += 1u << length) code->table[at] = entry;
            /* The next code: add one at the last bit, which is the highest here. */
            unsigned carry = 1u << (length - 1);
            while (carry && bits & carry) {
                bits ^= carry;
                carry >>= 1;
            }
            bits |= carry;
        }
    }
    return 1;
}

/* The symbol of a code that is not in the table, or -1 where no code begins so. */
static int long_symbol(inflater *s, const prefix_code *code) {
    int value = 0, first = 0, place = 0;
    for (unsigned length = 1; length <= LONGEST_CODE; length++) {
        int count = code->counts[length];
        value |= (int)(s->bits >> (length - 1) & 1);
        if (value - first < count) {
            take(s, length);
            return code->symbols[place + value - first];
        }
        place += count;
        first = (first + count) << 1;
        value <<= 1;
    }
    return -1;
}

static inline int next_symbol(inflater *s, const prefix_code *code) {
    unsigned entry = code->table[s->bits & ((1u << TABLE_BITS) - 1)];
    if (!entry) return long_symbol(s, code);
    take(s, entry & 15);
    return (int)(entry >> 4);
}

static int read_fixed_codes(inflater *s) {
    uint8_t lengths[LITERALS];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    if (!make_code(&s->literals, lengths, LITERALS)) return 0;
    memset(lengths, 5, DISTANCES);
    return make_code(&s->distances, lengths, DISTANCES);
}

static int read_codes(inflater *s) {
    static const uint8_t ORDER[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + DISTANCES] = {0};
    refill(s);
    unsigned literals = take(s, 5) + 257, distances = take(s, 5) + 1, used = take(s, 4) + 4;
    if (literals > 286 || distances > 30) return 0;
    for (unsigned i = 0; i < used; i++) {
        refill(s);
        lengths[ORDER[i]] = (uint8_t)take(s, 3);
    }
    if (!make_code(&s->distances, lengths, 19)) return 0;
    memset(lengths, 0, 19);
    for (unsigned at = 0; at < literals + distances;) {
        refill(s);
        int symbol = next_symbol(s, &s->distances);
        if (symbol < 0 || is_beyond_end(s)) return 0;
        if (symbol < 16) {
            lengths[at++] = (uint8_t)symbol;
            continue;
        }
        if (symbol == 16 && !at) return 0;
        uint8_t repeated = symbol == 16 ? lengths[at - 1] : 0;
        unsigned times = symbol == 16 ? 3 + take(s, 2) : symbol == 17 ? 3 + take(s, 3) : 11 + take(s, 7);
        if (at + times > literals + distances) return 0;
        memset(lengths + at, repeated, times);
        at += times;
    }
    return lengths[256] && make_code(&s->literals, lengths, literals)
        && make_code(&s->distances, lengths + literals, distances);
}

/* Copy what lies `distance` bytes back; may write 15 bytes past the end. */
static inline void copy_match(uint8_t *to, size_t distance, size_t length) {
    const uint8_t *from = to - distance;
    uint8_t *end = to + length;
    if (distance >= 16) {
        for (; to < end; to += 16, from += 16) memcpy(to, from, 16);
    } else if (distance == 1) {
        memset(to, *from, length);
    } else {
        /* The pattern is shorter than a word: once it stands there twice or more, copy from further back. */
        size_t period = distance;
        while (period < 8) period += distance;
        for (size_t i = 0; i < period && to < end; i++) *to++ = *from++;
        for (; to < end; to += 8) memcpy(to, to - period, 8);
    }
}

/* Decode until *out is at `stop` or later, or the stream ends.
 * first: the earliest byte that a match may refer to. SLACK_BYTES behind `stop` must be there to write to. */
static int inflate_until(inflater *s, const uint8_t *first, uint8_t **out, const uint8_t *stop) {
    static const uint16_t LENGTHS[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                         31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t LENGTH_BITS[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t OFFSETS[30] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
                                         193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    static const uint8_t OFFSET_BITS[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                            6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
    uint8_t *to = *out;
    for (;;) {
        if (s->state == AT_HEADER) {
            if (s->is_last_block) {
                s->state = AT_END;
            } else {
                refill(s);
                s->is_last_block = (int)take(s, 1);
                unsigned kind = take(s, 2);
                if (kind == 0) {
                    take(s, s->bit_count & 7);
                    refill(s);
                    s->stored_bytes = take(s, 16);
                    if (take(s, 16) != (s->stored_bytes ^ 0xFFFF) || is_beyond_end(s)) return INFLATE_BAD;
                    /* Whole bytes are left, which go back to the input. */
                    s->next -= s->bit_count / 8 - s->missing;
                    s->bits = 0;
                    s->bit_count = s->missing = 0;
                    s->state = IN_STORED;
                } else {
                    if (kind == 3 || !(kind == 1 ? read_fixed_codes(s) : read_codes(s))) return INFLATE_BAD;
                    s->state = IN_CODES;
                }
            }
        }
        if (s->state == AT_END) {
            *out = to;
            return is_beyond_end(s) ? INFLATE_BAD : INFLATE_END;
        }
        if (s->state == IN_STORED) {
            size_t room = to < stop ? (size_t)(stop - to) : 0;
            size_t count = s->stored_bytes < room ? s->stored_bytes : room;
            if (count > (size_t)(s->end - s->next)) return INFLATE_BAD;
            memcpy(to, s->next, count);
            to += count;
            s->next += count;
            s->stored_bytes -= (uint32_t)count;
            if (s->stored_bytes) {
                *out = to;
                return INFLATE_MORE;
            }
            s->state = AT_HEADER;
            continue;
        }
        while (to < stop) {
            refill(s);
            int symbol = next_symbol(s, &s->literals);
            if (s->missing && is_beyond_end(s)) return INFLATE_BAD;
            if (symbol < 256) {
                if (symbol < 0) return INFLATE_BAD;
                *to++ = (uint8_t)symbol;
                continue;
            }
            if (symbol == 256) {
                s->state = AT_HEADER;
                break;
            }
            if (symbol > 285) return INFLATE_BAD;
            size_t length = LENGTHS[symbol - 257] + take(s, LENGTH_BITS[symbol - 257]);
            int offset = next_symbol(s, &s->distances);
            if (offset < 0 || offset > 29) return INFLATE_BAD;
            size_t distance = OFFSETS[offset] + take(s, OFFSET_BITS[offset]);
            if (distance > (size_t)(to - first) || is_beyond_end(s)) return INFLATE_BAD;
            copy_match(to, distance, length);
            to += length;
        }
        if (s->state == IN_CODES) {
            *out = to;
            return INFLATE_MORE;
        }
    }
}

#endif
