/* The model in the box: what commands use when nobody names one. */
#ifndef PH_CLI_NANO_H
#define PH_CLI_NANO_H

/* Its path, and a line on stderr that says what it is. NULL if it is not there. Looked for where
 * `cmake --install` puts it (../share/phial beside the program's folder), then in the source tree
 * that the program was built in (../../models/nano). The text stays as long as the process. */
const char *ph_nano_model(void);

#endif
