/* Contract in train_view.h. */
#include "cli/train_view.h"

bool ph_train_stage_step(void *user, const char *stage, uint64_t done, uint64_t total)
{
    ph_train_stage *s = user;
    if (!s->name || strcmp(s->name, stage) != 0) {
        ph_progress_end(&s->bar);
        ph_progress_start(&s->bar, stage);
        s->name = stage;
    }
    ph_progress_step(&s->bar, done, total);
    return !ph_interrupted();
}

void ph_train_say(void *user, int level, const char *line)
{
    (void)user;
    (void)level;
    ph_say("%s", line);
}
