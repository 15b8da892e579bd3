/* Mutated PNG files through the compiled kernel, under the sanitizers of the compiler.
 *
 *     cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -I masksdb/pixels/kernel tests/trust/kernel_fuzz.c -o fuzz
 *     ./fuzz SEED SECONDS FILE.png...
 *
 * Prints how many files were tried, and how many of them were read. Every second mutation keeps the checksums right, for
 * else hardly any gets past them. */
#include <stdio.h>
#include <time.h>

#include "joint.h"
#include "png.h"

static uint64_t state;

static uint32_t draw(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

static uint8_t *read_file(const char *path, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    uint8_t *bytes = malloc(1 << 22);
    *length = fread(bytes, 1, 1 << 22, file);
    fclose(file);
    return bytes;
}

static void put_big_endian(uint8_t *p, uint32_t value) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void correct_checksums(uint8_t *data, size_t length) {
    for (size_t at = 8; at + 12 <= length;) {
        size_t size = big_endian(data + at);
        if (size > length - at - 12) return;
        put_big_endian(data + at + 8 + size, crc_of(data + at + 4, size + 4));
        at += size + 12;
    }
}

/* A copy of its own size, so that a read past its end is seen. */
static uint8_t *mutated(const uint8_t *data, size_t *length) {
    if (!draw(8)) *length -= draw((uint32_t)(*length / 2) + 1);
    uint8_t *copy = malloc(*length ? *length : 1);
    memcpy(copy, data, *length);
    for (uint32_t times = 1 + draw(6); times && *length; times--) {
        /* The header and the first codes decide most. */
        size_t at = draw(3) ? draw((uint32_t)*length) : draw(*length < 120 ? (uint32_t)*length : 120);
        switch (draw(4)) {
        case 0: copy[at] ^= (uint8_t)(1u << draw(8)); break;
        case 1: copy[at] = (uint8_t)draw(256); break;
        case 2: copy[at] = draw(2) ? 0 : 255; break;
        default: copy[at] = copy[draw((uint32_t)*length)];
        }
    }
    if (draw(2)) correct_checksums(copy, *length);
    return copy;
}

static void use(scan *s, uint32_t height, uint32_t width) {
    columns c = {0};
    joint j = {0};
    int64_t pixels = 0;
    if (columns_find(&c, s->starts, s->ids, 4, s->run_count, height, width) != DONE) abort();
    if (joint_count(&j, s->starts, s->ids, 4, s->run_count, s->starts, s->ids, 4, s->run_count, s->region_count, s->region_count, (int64_t)height * width) != DONE) abort();
    for (size_t i = 0; i < j.count; i++) pixels += j.pixels[i];
    if (pixels != (int64_t)height * width || j.count != s->region_count) abort();
    columns_free(&c);
    joint_free(&j);
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    state = strtoull(arguments[1], NULL, 10) * 2 + 1;
    time_t end = time(NULL) + atol(arguments[2]);
    uint64_t tried = 0, read = 0;
    crc_prepare();
    while (time(NULL) < end) {
        size_t length = 0;
        uint8_t *data = read_file(arguments[3 + draw((uint32_t)count - 3)], &length);
        if (!data) return 2;
        for (int i = 0; i < 200; i++) {
            size_t size = length;
            uint8_t *copy = mutated(data, &size);
            scan s;
            png_header h;
            if (scan_png(&s, &h, copy, size, 1 << 22, 1 << 20) == DONE) {
                use(&s, h.height, h.width);
                read++;
            }
            scan_free(&s);
            free(copy);
            tried++;
        }
        free(data);
    }
    printf("%llu tried, %llu read\n", (unsigned long long)tried, (unsigned long long)read);
    return 0;
}
