/* Where the golden data is, if it is there at all. */
#ifndef PH_TESTS_TESTDATA_H
#define PH_TESTS_TESTDATA_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Full path of a file or folder below PHIAL_TEST_DATA (default: shared/data beside the repository),
 * or NULL when it is absent. The result is a static buffer, one of eight in turn. */
static inline const char *ph_testdata(const char *relative)
{
    static char paths[8][4096];
    static int turn;
    char *path = paths[turn++ % 8];
    const char *root = getenv("PHIAL_TEST_DATA");
    struct stat st;
    snprintf(path, sizeof paths[0], "%s/%s",
             root != NULL && root[0] != '\0' ? root : PHIAL_SOURCE_DIR "/../shared/data", relative);
    return stat(path, &st) == 0 ? path : NULL;
}

#endif
