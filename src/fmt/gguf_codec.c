/* GGUF values: decoding and checking. Contracts: gguf.h, gguf_codec.h. */
#include "fmt/gguf_codec.h"

#include "base/mem.h"

static const struct {
    const char *name;
    size_t bytes;
} types[] = {
    [PH_GGUF_U8] = {"u8", 1},   [PH_GGUF_I8] = {"i8", 1},       [PH_GGUF_U16] = {"u16", 2},
    [PH_GGUF_I16] = {"i16", 2}, [PH_GGUF_U32] = {"u32", 4},     [PH_GGUF_I32] = {"i32", 4},
    [PH_GGUF_F32] = {"f32", 4}, [PH_GGUF_BOOL] = {"bool", 1},   [PH_GGUF_STRING] = {"string", 0},
    [PH_GGUF_U64] = {"u64", 8}, [PH_GGUF_ARRAY] = {"array", 0}, [PH_GGUF_I64] = {"i64", 8},
    [PH_GGUF_F64] = {"f64", 8},
};

size_t ph_gguf_type_bytes(ph_gguf_type type)
{
    return type <= PH_GGUF_F64 ? types[type].bytes : 0;
}

const char *ph_gguf_type_name(ph_gguf_type type)
{
    return type <= PH_GGUF_F64 ? types[type].name : "unknown";
}

const uint8_t *ph_gguf_take(ph_gguf_cursor *c, size_t n)
{
    if (n > c->n - c->pos)
        return NULL;
    const uint8_t *p = c->bytes + c->pos;
    c->pos += n;
    return p;
}

static uint64_t load_le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

bool ph_gguf_take_u32(ph_gguf_cursor *c, uint32_t *out)
{
    const uint8_t *p = ph_gguf_take(c, 4);
    if (p)
        *out = (uint32_t)load_le(p, 4);
    return p != NULL;
}

bool ph_gguf_take_u64(ph_gguf_cursor *c, uint64_t *out)
{
    const uint8_t *p = ph_gguf_take(c, 8);
    if (p)
        *out = load_le(p, 8);
    return p != NULL;
}

phial_status ph_gguf_take_str(ph_gguf_cursor *c, ph_str *out, size_t max, phial_error *err)
{
    uint64_t n;
    if (!ph_gguf_take_u64(c, &n))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the file ends before its length");
    if (n > c->n - c->pos)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "a string of %llu bytes exceeds the file, which has %zu left",
                          (unsigned long long)n, c->n - c->pos);
    if (n > max)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "a string of %llu bytes; the limit is %zu",
                          (unsigned long long)n, max);
    out->n = (size_t)n;
    out->p = (const char *)ph_gguf_take(c, out->n);
    return PHIAL_OK;
}

static phial_status take_scalars(ph_gguf_cursor *c, ph_gguf_type type, uint64_t count,
                                 phial_error *err)
{
    size_t bytes = ph_gguf_type_bytes(type);
    if (count > (c->n - c->pos) / bytes)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%llu values of type %s exceed the file, which has %zu bytes left",
                          (unsigned long long)count, ph_gguf_type_name(type), c->n - c->pos);
    const uint8_t *p = ph_gguf_take(c, (size_t)count * bytes);
    for (uint64_t i = 0; type == PH_GGUF_BOOL && i < count; i++) {
        if (p[i] > 1)
            return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "a bool with the value %u", p[i]);
    }
    return PHIAL_OK;
}

static phial_status take_elements(ph_gguf_cursor *c, ph_gguf_type type, uint64_t count, int depth,
                                  phial_error *err);

/* Element type and count, checked against the bytes left. */
static phial_status take_array_head(ph_gguf_cursor *c, ph_gguf_type *elem, uint64_t *count,
                                    phial_error *err)
{
    uint32_t type;
    if (!ph_gguf_take_u32(c, &type) || !ph_gguf_take_u64(c, count))
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "the file ends inside an array");
    if (type > PH_GGUF_F64)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "an array of unknown type %u", type);
    *elem = (ph_gguf_type)type;
    size_t least = type == PH_GGUF_STRING  ? 8
                   : type == PH_GGUF_ARRAY ? 12
                                           : ph_gguf_type_bytes(*elem);
    if (*count > (c->n - c->pos) / least)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "an array of %llu elements of type %s exceeds the file, which has %zu "
                          "bytes left",
                          (unsigned long long)*count, ph_gguf_type_name(*elem), c->n - c->pos);
    if (*count > PH_GGUF_MAX_ARRAY)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "an array of %llu elements; the limit is %u",
                          (unsigned long long)*count, PH_GGUF_MAX_ARRAY);
    return PHIAL_OK;
}

static phial_status take_array(ph_gguf_cursor *c, int depth, phial_error *err)
{
    ph_gguf_type elem;
    uint64_t count;
    if (depth > PH_GGUF_MAX_DEPTH)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT, "arrays within arrays deeper than %d",
                          PH_GGUF_MAX_DEPTH);
    phial_status st = take_array_head(c, &elem, &count, err);
    return st == PHIAL_OK ? take_elements(c, elem, count, depth, err) : st;
}

/* Recursion is bounded by PH_GGUF_MAX_DEPTH. */
static phial_status take_elements(ph_gguf_cursor *c, ph_gguf_type type, uint64_t count, int depth,
                                  phial_error *err)
{
    if (type != PH_GGUF_STRING && type != PH_GGUF_ARRAY)
        return take_scalars(c, type, count, err);
    phial_status st = PHIAL_OK;
    uint64_t i = 0;
    for (; i < count && st == PHIAL_OK; i++) {
        ph_str ignored;
        st = type == PH_GGUF_STRING ? ph_gguf_take_str(c, &ignored, PH_GGUF_MAX_STRING, err)
                                    : take_array(c, depth + 1, err);
    }
    if (st != PHIAL_OK && depth > 0)
        return ph_err_context(err, st, "element %llu", (unsigned long long)(i - 1));
    return st;
}

phial_status ph_gguf_take_value(ph_gguf_cursor *c, ph_gguf_type type, ph_gguf_kv *kv,
                                phial_error *err)
{
    phial_status st = PHIAL_OK;
    kv->type = type;
    kv->elem_type = type;
    kv->count = 1;
    if (type == PH_GGUF_ARRAY)
        st = take_array_head(c, &kv->elem_type, &kv->count, err);
    size_t start = c->pos;
    if (st == PHIAL_OK)
        st = take_elements(c, kv->elem_type, kv->count, type == PH_GGUF_ARRAY, err);
    kv->raw = c->bytes + start;
    kv->raw_bytes = c->pos - start;
    return st;
}

/* An integer of any type at p. *negative: the value is below zero, *v its two's complement. */
static bool integer_at(ph_gguf_type type, const uint8_t *p, uint64_t *v, bool *negative)
{
    bool is_signed =
        type == PH_GGUF_I8 || type == PH_GGUF_I16 || type == PH_GGUF_I32 || type == PH_GGUF_I64;
    bool is_unsigned =
        type == PH_GGUF_U8 || type == PH_GGUF_U16 || type == PH_GGUF_U32 || type == PH_GGUF_U64;
    if (!is_signed && !is_unsigned)
        return false;
    size_t bytes = ph_gguf_type_bytes(type);
    *v = load_le(p, bytes);
    *negative = is_signed && (*v >> (8 * bytes - 1)) != 0;
    if (*negative && bytes < 8)
        *v |= UINT64_MAX << (8 * bytes);
    return true;
}

static bool i64_at(ph_gguf_type type, const uint8_t *p, int64_t *out)
{
    uint64_t v;
    bool negative;
    if (!integer_at(type, p, &v, &negative) || (!negative && v > INT64_MAX))
        return false;
    memcpy(out, &v, sizeof v);
    return true;
}

static bool f64_at(ph_gguf_type type, const uint8_t *p, double *out)
{
    if (type == PH_GGUF_F32) {
        uint32_t bits = (uint32_t)load_le(p, 4);
        float f;
        memcpy(&f, &bits, sizeof f);
        *out = f;
        return true;
    }
    if (type == PH_GGUF_F64) {
        uint64_t bits = load_le(p, 8);
        memcpy(out, &bits, sizeof *out);
        return true;
    }
    return false;
}

bool ph_gguf_u64(const ph_gguf_kv *kv, uint64_t *out)
{
    uint64_t v;
    bool negative;
    if (!kv || !integer_at(kv->type, kv->raw, &v, &negative) || negative)
        return false;
    *out = v;
    return true;
}

bool ph_gguf_i64(const ph_gguf_kv *kv, int64_t *out)
{
    return kv && i64_at(kv->type, kv->raw, out);
}

bool ph_gguf_f64(const ph_gguf_kv *kv, double *out)
{
    return kv && f64_at(kv->type, kv->raw, out);
}

bool ph_gguf_bool(const ph_gguf_kv *kv, bool *out)
{
    if (!kv || kv->type != PH_GGUF_BOOL)
        return false;
    *out = kv->raw[0] != 0;
    return true;
}

bool ph_gguf_str(const ph_gguf_kv *kv, ph_str *out)
{
    if (!kv || kv->type != PH_GGUF_STRING)
        return false;
    *out = (ph_str){(const char *)kv->raw + 8, kv->raw_bytes - 8};
    return true;
}

bool ph_gguf_array_i64(const ph_gguf_kv *kv, uint64_t i, int64_t *out)
{
    if (!kv || kv->type != PH_GGUF_ARRAY || i >= kv->count)
        return false;
    return i64_at(kv->elem_type, kv->raw + i * ph_gguf_type_bytes(kv->elem_type), out);
}

bool ph_gguf_array_f64(const ph_gguf_kv *kv, uint64_t i, double *out)
{
    if (!kv || kv->type != PH_GGUF_ARRAY || i >= kv->count)
        return false;
    return f64_at(kv->elem_type, kv->raw + i * ph_gguf_type_bytes(kv->elem_type), out);
}

bool ph_gguf_array_next_str(const ph_gguf_kv *kv, size_t *cursor, ph_str *out)
{
    if (!kv || kv->type != PH_GGUF_ARRAY || kv->elem_type != PH_GGUF_STRING ||
        *cursor >= kv->raw_bytes)
        return false;
    ph_gguf_cursor c = {kv->raw, kv->raw_bytes, *cursor};
    if (ph_gguf_take_str(&c, out, PH_GGUF_MAX_STRING, NULL) != PHIAL_OK)
        return false;
    *cursor = c.pos;
    return true;
}
