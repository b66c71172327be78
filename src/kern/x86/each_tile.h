/* Rows of activations in register tiles, whose height has to be a constant for the compiler. */
#ifndef PH_KERN_X86_EACH_TILE_H
#define PH_KERN_X86_EACH_TILE_H

#define PH_TILE_CASE(rows, at, t, ...)                                                             \
    case rows:                                                                                     \
        at(t, row, rows, __VA_ARGS__);                                                             \
        break;
#define PH_TILE_CASES_6(at, t, ...)                                                                \
    PH_TILE_CASE(1, at, t, __VA_ARGS__)                                                            \
    PH_TILE_CASE(2, at, t, __VA_ARGS__)                                                            \
    PH_TILE_CASE(3, at, t, __VA_ARGS__)                                                            \
    PH_TILE_CASE(4, at, t, __VA_ARGS__)                                                            \
    PH_TILE_CASE(5, at, t, __VA_ARGS__)                                                            \
    PH_TILE_CASE(6, at, t, __VA_ARGS__)
#define PH_TILE_CASES_8(at, t, ...)                                                                \
    PH_TILE_CASES_6(at, t, __VA_ARGS__)                                                            \
    PH_TILE_CASE(7, at, t, __VA_ARGS__)                                                            \
    PH_TILE_CASE(8, at, t, __VA_ARGS__)

/* at(t, row, rows, ...) for all t->m rows, in as few tiles of at most `most` (6 or 8) as possible,
 * as equal as possible. */
#define PH_EACH_TILE(most, at, t, ...)                                                             \
    do {                                                                                           \
        size_t n_tiles = ((t)->m + (most)-1) / (most), row = 0;                                    \
        for (size_t i = 0; i < n_tiles; i++) {                                                     \
            size_t rows = ((t)->m - row + n_tiles - i - 1) / (n_tiles - i);                        \
            switch (rows) {                                                                        \
                PH_TILE_CASES_##most(at, t, __VA_ARGS__)                                           \
            }                                                                                      \
            row += rows;                                                                           \
        }                                                                                          \
    } while (0)

#endif
