/* The statuses every function of the library may return, with their names.
 */
#include <phial/error.h>
#include <stdio.h>

int main(void)
{
    static const phial_status all[] = {
        PHIAL_OK,
        PHIAL_ERR_IO,
        PHIAL_ERR_BUSY,
        PHIAL_ERR_ARGUMENT,
        PHIAL_ERR_BAD_INPUT,
        PHIAL_ERR_UNSUPPORTED,
        PHIAL_ERR_LOCKED,
        PHIAL_ERR_NO_MEMORY,
        PHIAL_ERR_LIMIT,
        PHIAL_ERR_CONTEXT_FULL,
        PHIAL_ERR_CANCELLED,
        PHIAL_ERR_FILE_CHANGED,
        PHIAL_ERR_NUMERIC,
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        printf("%2d %s\n", all[i], phial_status_name(all[i]));
    return 0;
}
