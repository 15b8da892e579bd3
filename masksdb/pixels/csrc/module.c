/* The module masksdb.pixels._kernel: what masksdb/pixels/kernel.py offers. It lets other threads run meanwhile. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "joint.h"
#include "png.h"
#include "runs.h"

/* Bytes of a code as numpy holds it: one channel in the bytes of a sample, several in 4 or 8. */
static size_t code_bytes(unsigned channels, unsigned sample_bytes) {
    return channels == 1 ? sample_bytes : channels * sample_bytes <= 4 ? 4 : 8;
}

/* (codes, sizes, starts, ids): bytes of unsigned, int64 of shape (n, 7), int64 and unsigned. */
static PyObject *arrays_of(const scan *s, size_t bytes_of_code) {
    size_t n = s->region_count, runs = s->run_count, bytes_of_id = n <= 1 << 8 ? 1 : n <= 1 << 16 ? 2 : 4;
    PyObject *codes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n * bytes_of_code));
    PyObject *sizes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n * 7 * sizeof(int64_t)));
    PyObject *starts = PyBytes_FromStringAndSize((const char *)s->starts, (Py_ssize_t)(runs * sizeof *s->starts));
    PyObject *ids = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(runs * bytes_of_id));
    PyObject *arrays = NULL;
    if (codes && sizes && starts && ids) {
        char *to_codes = PyBytes_AsString(codes), *to_sizes = PyBytes_AsString(sizes), *to_ids = PyBytes_AsString(ids);
        for (size_t i = 0; i < n; i++) {
            put_number(to_codes, bytes_of_code, i, s->regions[i].code);
            memcpy(to_sizes + i * 7 * sizeof(int64_t), &s->regions[i].area, 7 * sizeof(int64_t));
        }
        for (size_t i = 0; i < runs; i++) put_number(to_ids, bytes_of_id, i, s->ids[i]);
        arrays = PyTuple_Pack(4, codes, sizes, starts, ids);
    }
    Py_XDECREF(codes);
    Py_XDECREF(sizes);
    Py_XDECREF(starts);
    Py_XDECREF(ids);
    return arrays;
}

static PyObject *none(void) {
    Py_INCREF(Py_None);
    return Py_None;
}

static PyObject *bytes_or_none(const uint8_t *bytes, size_t count) {
    return bytes ? PyBytes_FromStringAndSize((const char *)bytes, (Py_ssize_t)count) : none();
}

static PyObject *png_result(const scan *s, const png_header *h) {
    unsigned sample_bytes = h->depth == 16 ? 2 : 1;
    PyObject *arrays = arrays_of(s, code_bytes(s->pixel_bytes / sample_bytes, sample_bytes));
    if (!arrays) return NULL;
    PyObject *palette = bytes_or_none(h->palette, h->palette_bytes);
    PyObject *transparency = bytes_or_none(h->transparency, h->transparency_bytes);
    PyObject *result = palette && transparency
        ? Py_BuildValue("(IIIIOOO)", h->height, h->width, h->depth, h->colour, palette, transparency, arrays)
        : NULL;
    Py_XDECREF(palette);
    Py_XDECREF(transparency);
    Py_DECREF(arrays);
    return result;
}

PyDoc_STRVAR(png_regions_doc,
    "png_regions(files, pixel_limit, run_limit)\n--\n\n"
    "Of each PNG file, as bytes, (height, width, depth, colour type, PLTE, tRNS, (codes, sizes, starts, ids)).\n\n"
    "None for a file that is damaged, beyond a limit, interlaced, or not PNG.");

static PyObject *png_regions(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *list;
    unsigned long long pixel_limit, run_limit;
    if (!PyArg_ParseTuple(args, "O!KK", &PyList_Type, &list, &pixel_limit, &run_limit)) return NULL;
    PyObject *files = PyList_AsTuple(list), *results = NULL;
    if (!files) return NULL;
    Py_ssize_t count = PyTuple_Size(files);
    scan *scans = PyMem_Calloc((size_t)count + 1, sizeof *scans);
    png_header *headers = PyMem_Calloc((size_t)count + 1, sizeof *headers);
    int *states = PyMem_Calloc((size_t)count + 1, sizeof *states);
    const uint8_t **data = PyMem_Calloc((size_t)count + 1, sizeof *data);
    size_t *lengths = PyMem_Calloc((size_t)count + 1, sizeof *lengths);
    if (!scans || !headers || !states || !data || !lengths) {
        PyErr_NoMemory();
        goto end;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        char *bytes;
        Py_ssize_t length;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(files, i), &bytes, &length) < 0) goto end;
        data[i] = (const uint8_t *)bytes;
        lengths[i] = (size_t)length;
    }
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < count; i++) {
        states[i] = scan_png(scans + i, headers + i, data[i], lengths[i], pixel_limit, (size_t)run_limit);
        if (states[i] != DONE) {
            scan_free(scans + i);
            memset(scans + i, 0, sizeof *scans);
        }
    }
    Py_END_ALLOW_THREADS
    results = PyList_New(count);
    for (Py_ssize_t i = 0; results && i < count; i++) {
        PyObject *result = states[i] == DONE ? png_result(scans + i, headers + i) : none();
        if (!result || PyList_SetItem(results, i, result) < 0) Py_CLEAR(results);
    }
end:
    for (Py_ssize_t i = 0; scans && i < count; i++) scan_free(scans + i);
    PyMem_Free(scans);
    PyMem_Free(headers);
    PyMem_Free(states);
    PyMem_Free(data);
    PyMem_Free(lengths);
    Py_DECREF(files);
    return results;
}

PyDoc_STRVAR(array_regions_doc,
    "array_regions(pixels, height, width, channels, sample_bytes, run_limit)\n--\n\n"
    "(codes, sizes, starts, ids) of pixels in memory, samples in the machine's byte order; None beyond the limit.");

static PyObject *array_regions(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer pixels;
    unsigned height, width, channels, sample_bytes;
    unsigned long long run_limit;
    if (!PyArg_ParseTuple(args, "y*IIIIK", &pixels, &height, &width, &channels, &sample_bytes, &run_limit)) return NULL;
    PyObject *result = NULL;
    scan s = {0};
    unsigned pixel_bytes = channels * sample_bytes;
    if (!height || !width || !channels || channels > 4 || (sample_bytes != 1 && sample_bytes != 2)
        || (uint64_t)height * width > (uint64_t)INT64_MAX / 8
        || (uint64_t)height * width * pixel_bytes != (uint64_t)pixels.len) {
        PyErr_SetString(PyExc_ValueError, "the pixels are not of that size");
        PyBuffer_Release(&pixels);
        return NULL;
    }
    int state;
    Py_BEGIN_ALLOW_THREADS
    state = scan_start(&s, width, height, pixel_bytes, (size_t)run_limit);
    const uint8_t *row = pixels.buf;
    for (uint32_t y = 0; state == DONE && y < height; y++, row += (size_t)width * pixel_bytes)
        state = scan_filtered(&s, row, 0, y);
    if (state == DONE && sample_bytes == 2) swap_codes(&s);
    if (state == DONE) state = sort_regions(&s);
    Py_END_ALLOW_THREADS
    if (state == NO_MEMORY) PyErr_NoMemory();
    else result = state == DONE ? arrays_of(&s, code_bytes(channels, sample_bytes)) : none();
    scan_free(&s);
    PyBuffer_Release(&pixels);
    return result;
}

/* A buffer of int64 or of unsigned numbers, with how many they are. */
typedef struct {
    Py_buffer view;
    size_t count, bytes;
} numbers;

static int is_runs(const numbers *starts, const numbers *ids, uint64_t total, uint64_t distinct) {
    const int64_t *at = starts->view.buf;
    if (!starts->count || starts->count != ids->count || at[0]) return 0;
    for (size_t i = 1; i < starts->count; i++)
        if (at[i] <= at[i - 1]) return 0;
    if ((uint64_t)at[starts->count - 1] >= total) return 0;
    for (size_t i = 0; i < ids->count; i++)
        if (number_at(ids->view.buf, ids->bytes, i) >= distinct) return 0;
    return 1;
}

static int get_numbers(PyObject *object, numbers *to, int is_signed) {
    if (PyObject_GetBuffer(object, &to->view, PyBUF_ND | PyBUF_FORMAT) < 0) return 0;
    to->bytes = (size_t)to->view.itemsize;
    to->count = to->bytes ? (size_t)to->view.len / to->bytes : 0;
    if (is_signed ? to->bytes == 8 : to->bytes == 1 || to->bytes == 2 || to->bytes == 4) return 1;
    PyBuffer_Release(&to->view);
    PyErr_SetString(PyExc_ValueError, "expected starts of int64, and ids of uint8, uint16 or uint32");
    return 0;
}

PyDoc_STRVAR(joint_histogram_doc,
    "joint_histogram(starts, ids, count, other_starts, other_ids, other_count, total)\n--\n\n"
    "(pairs, pixels): the pairs of values that two masks have in the same place, as id * other_count + other id in\n"
    "ascending order, and the pixels of each; both bytes of int64.");

static PyObject *joint_histogram(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *objects[4], *result = NULL;
    unsigned long long count, other_count, total;
    numbers got[4];
    int held = 0;
    if (!PyArg_ParseTuple(args, "OOKOOKK", objects, objects + 1, &count, objects + 2, objects + 3, &other_count, &total)) return NULL;
    while (held < 4 && get_numbers(objects[held], got + held, held % 2 == 0)) held++;
    if (held == 4) {
        joint j = {0};
        int state = REFUSED;
        Py_BEGIN_ALLOW_THREADS
        if (is_runs(got, got + 1, total, count) && is_runs(got + 2, got + 3, total, other_count)
            && count <= UINT32_MAX && other_count <= UINT32_MAX && total <= INT64_MAX)
            state = joint_count(&j, got[0].view.buf, got[1].view.buf, got[1].bytes, got[0].count, got[2].view.buf,
                                got[3].view.buf, got[3].bytes, got[2].count, count, other_count, (int64_t)total);
        Py_END_ALLOW_THREADS
        if (state == NO_MEMORY) PyErr_NoMemory();
        else if (state != DONE) PyErr_SetString(PyExc_ValueError, "these are not runs of two masks of that size");
        else result = Py_BuildValue("(y#y#)", (char *)j.pairs, (Py_ssize_t)(j.count * sizeof *j.pairs),
                                    (char *)j.pixels, (Py_ssize_t)(j.count * sizeof *j.pixels));
        joint_free(&j);
    }
    while (held) PyBuffer_Release(&got[--held].view);
    return result;
}

PyDoc_STRVAR(column_runs_doc,
    "column_runs(starts, ids, count, height, width)\n--\n\n"
    "(starts, ids) of the same mask read column by column: bytes of int64 and of the same unsigned numbers.");

static PyObject *column_runs(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *objects[2], *result = NULL;
    unsigned long long count;
    unsigned height, width;
    numbers got[2];
    int held = 0;
    if (!PyArg_ParseTuple(args, "OOKII", objects, objects + 1, &count, &height, &width)) return NULL;
    while (held < 2 && get_numbers(objects[held], got + held, held == 0)) held++;
    if (held == 2) {
        columns c = {0};
        int state = REFUSED;
        Py_BEGIN_ALLOW_THREADS
        if (height && width && (uint64_t)height * width <= INT64_MAX / 8 && is_runs(got, got + 1, (uint64_t)height * width, count))
            state = columns_find(&c, got[0].view.buf, got[1].view.buf, got[1].bytes, got[0].count, height, width);
        Py_END_ALLOW_THREADS
        if (state == NO_MEMORY) PyErr_NoMemory();
        else if (state != DONE) PyErr_SetString(PyExc_ValueError, "these are not runs of a mask of that size");
        else result = Py_BuildValue("(y#y#)", (char *)c.starts, (Py_ssize_t)(c.count * sizeof *c.starts), (char *)c.ids,
                                    (Py_ssize_t)(c.count * got[1].bytes));
        columns_free(&c);
    }
    while (held) PyBuffer_Release(&got[--held].view);
    return result;
}

static PyMethodDef methods[] = {
    {"png_regions", png_regions, METH_VARARGS, png_regions_doc},
    {"array_regions", array_regions, METH_VARARGS, array_regions_doc},
    {"joint_histogram", joint_histogram, METH_VARARGS, joint_histogram_doc},
    {"column_runs", column_runs, METH_VARARGS, column_runs_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_kernel", "Masks to runs and regions, compiled.", -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void) {
    crc_prepare();
    return PyModule_Create(&definition);
}
