/* phial-extract: every format but PDF. */
#include "helper/formats.h"
#include "helper/helper.h"

int main(int argc, char **argv)
{
    static const ph_helper_program program = {
        .name = "phial-extract",
        .prepare = ph_formats_prepare,
        .run = ph_formats_run,
    };
    ph_helper_main(argc, argv, &program);
}
