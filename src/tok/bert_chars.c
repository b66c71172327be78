/* Looking characters up; contract in bert_chars.h. */
#include "tok/bert_chars.h"

/* The ideographs that BERT gives blanks on both sides: multilingual.md of google-research/bert. */
static const ph_bert_range cjk[] = {
    {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},   {0x20000, 0x2A6DF},
    {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF}, {0x2F800, 0x2FA1F},
};

static bool in_ranges(const ph_bert_range *ranges, size_t n, uint32_t cp)
{
    size_t low = 0;
    while (n > 0) {
        size_t half = n / 2;
        if (ranges[low + half].last < cp) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
            if (ranges[low + half].first <= cp)
                return true;
        }
    }
    return false;
}

unsigned ph_bert_class(uint32_t cp)
{
    unsigned class = 0;
    if (in_ranges(ph_bert_control, ph_bert_n_control, cp))
        class |= PH_BERT_CONTROL;
    if (in_ranges(ph_bert_space, ph_bert_n_space, cp))
        class |= PH_BERT_SPACE;
    if (in_ranges(ph_bert_punctuation, ph_bert_n_punctuation, cp))
        class |= PH_BERT_PUNCTUATION;
    if (in_ranges(cjk, sizeof cjk / sizeof cjk[0], cp))
        class |= PH_BERT_CJK;
    return class;
}

/* interlock: how many runs back the right one may be. */
static bool by_run(uint32_t *out, size_t *n_out, const ph_bert_run *runs, size_t n,
                   size_t interlock, uint32_t cp)
{
    size_t low = 0, high = n; /* runs before low begin at cp or before */
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (runs[mid].first <= cp)
            low = mid + 1;
        else
            high = mid;
    }
    for (size_t back = 0; back < interlock && low > 0; back++) {
        const ph_bert_run *run = &runs[--low];
        uint32_t distance = cp - run->first, i = distance / run->step;
        if (distance % run->step != 0 || i >= run->count)
            continue;
        *n_out = run->base_step != PH_BERT_GONE;
        out[0] = run->base + i * (*n_out ? run->base_step : 0u);
        return true;
    }
    return false;
}

static bool by_table(uint32_t *out, size_t *n_out, const ph_bert_many *many, size_t n, uint32_t cp)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (many[mid].from < cp)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == n || many[low].from != cp)
        return false;
    *n_out = many[low].n;
    for (size_t i = 0; i < *n_out; i++)
        out[i] = many[low].to[i];
    return true;
}

/* Unicode 3.12: L, V and T of a precomposed syllable. */
static size_t jamo(uint32_t *out, uint32_t cp)
{
    enum { S = 0xAC00, L = 0x1100, V = 0x1161, T = 0x11A7, N_V = 21, N_T = 28 };
    uint32_t s = cp - S;
    out[0] = L + s / (N_V * N_T);
    out[1] = V + s % (N_V * N_T) / N_T;
    out[2] = T + s % N_T;
    return s % N_T == 0 ? 2 : 3;
}

size_t ph_bert_strip(uint32_t out[PH_BERT_MANY], uint32_t cp)
{
    size_t n = 1;
    if (cp >= 0xAC00 && cp < 0xD7A4)
        return jamo(out, cp);
    if (cp >= 0x80 &&
        (by_run(out, &n, ph_bert_strip_runs, ph_bert_strip_n_runs, ph_bert_strip_interlock, cp) ||
         by_table(out, &n, ph_bert_strip_many, ph_bert_strip_n_many, cp)))
        return n;
    out[0] = cp;
    return 1;
}

size_t ph_bert_lower(uint32_t out[PH_BERT_MANY], uint32_t cp)
{
    size_t n = 1;
    if (by_run(out, &n, ph_bert_lower_runs, ph_bert_lower_n_runs, ph_bert_lower_interlock, cp) ||
        by_table(out, &n, ph_bert_lower_many, ph_bert_lower_n_many, cp))
        return n;
    out[0] = cp;
    return 1;
}
