/* Reading a model's weights into memory before the first token needs them. */
#ifndef PH_CLI_WARM_UP_H
#define PH_CLI_WARM_UP_H

/* Reads the weights' files (path: a file, or a folder with safetensors) from front to end, which is
 * faster than the order in which computing touches them, with a progress bar on a terminal once it
 * has taken half a second. Does nothing if a sample of them is in memory or if they are larger than
 * the memory that is free. It is a help and never an error: what is wrong with a file is told by
 * whoever opens it. */
void ph_warm_up(const char *path);

#endif
