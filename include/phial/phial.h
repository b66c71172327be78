/* Everything at once. */
#ifndef PHIAL_PHIAL_H
#define PHIAL_PHIAL_H

#include "phial/answer.h"
#include "phial/collection.h"
#include "phial/embed.h"
#include "phial/error.h"
#include "phial/generate.h"
#include "phial/model.h"
#include "phial/prompt.h"
#include "phial/sampler.h"
#include "phial/session.h"
#include "phial/stop.h"
#include "phial/text.h"
#include "phial/tokenizer.h"
#include "phial/train.h"
#include "phial/vectors.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "0.1.0" */
PHIAL_API const char *phial_version(void);

#ifdef __cplusplus
}
#endif

#endif
