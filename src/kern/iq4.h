/* The 16 values that IQ4_NL and IQ4_XS choose from: closer together around zero, where weights are
 * many. Source: ggml's kvalues_iq4nl. */
#ifndef PH_KERN_IQ4_H
#define PH_KERN_IQ4_H

#include <stdint.h>

static const float ph_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};
static const float ph_iq4_thresholds[15] = {-115.5f, -93.5f, -74,   -57,   -42, -28.5f, -16, -4.5f,
                                            7,       19,     31.5f, 45.5f, 61,  79,     101};

/* The place of one of the values. */
static inline unsigned ph_iq4_index(float value)
{
    unsigned i = 0;
    while (i < 15 && ph_iq4_values[i] < value) {
        i++;
    }
    return i;
}

#endif
