/* The steps of a run: learning, looking at the held-out part, writing down; contract in
 * phial/train.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "model/convert.h"
#include "train/training_struct.h"

/* The pace shown is an average over about this many steps. */
#define PACE_STEPS  20
#define NAMES_BYTES 700

/* Linear up to lr, then a cosine down to lr_end; step counts from 0. */
static double rate_of(const phial_training *t, uint64_t step)
{
    uint64_t rest = t->state.n_steps > t->n_warmup ? t->state.n_steps - t->n_warmup : 1;
    if (step < t->n_warmup)
        return t->o.lr * (double)(step + 1) / (double)t->n_warmup;
    double part = fmin(1, (double)(step - t->n_warmup) / (double)rest);
    return t->o.lr_end + (t->o.lr - t->o.lr_end) * 0.5 * (1 + cos(3.14159265358979323846 * part));
}

/* Puts before a message which step and which examples it is about, and behind it what is left. */
static phial_status no_number(phial_training *t, const ph_packer *p, phial_status st,
                              phial_error *err)
{
    char names[NAMES_BYTES];
    t->failed = true;
    if (st != PHIAL_ERR_NUMERIC)
        return st;
    ph_packer_describe(p, names, sizeof names);
    ph_err_context(err, st, "step %" PRIu64 ", examples %s", ph_trainee_step(t->trainee) + 1,
                   names);
    const ph_log log = {t->o.log, t->o.log_user};
    if (t->last_saved > 0)
        ph_log_write(&log, PH_LOG_WARN, "the checkpoint of step %" PRIu64 " in %s is kept",
                     t->last_saved, t->o.dir);
    return st;
}

/* --- learning --- */

static phial_status learn(phial_training *t, ph_train_log_row *row, uint64_t *n_tokens,
                          phial_error *err)
{
    ph_train_batch batch;
    ph_train_loss loss, sum = {0};
    phial_status st = PHIAL_OK;
    for (uint32_t i = 0; i < t->o.accumulate && st == PHIAL_OK; i++) {
        ph_packer_next(&t->train, &batch);
        st = ph_trainee_backward(t->trainee, &batch, &loss, err);
        sum.sum += loss.sum;
        sum.n_targets += loss.n_targets;
        *n_tokens += batch.n;
    }
    if (st != PHIAL_OK)
        return no_number(t, &t->train, st, err);
    ph_adamw a;
    ph_adamw_default(&a);
    a.lr = rate_of(t, ph_trainee_step(t->trainee));
    a.beta1 = t->o.beta1;
    a.beta2 = t->o.beta2;
    a.eps = t->o.eps;
    a.weight_decay = t->o.weight_decay;
    a.clip_norm = t->o.clip_norm;
    a.divisor = (double)sum.n_targets;
    row->lr = a.lr;
    row->loss = sum.sum / (double)sum.n_targets;
    st = ph_trainee_update(t->trainee, &a, &row->grad_norm, err);
    return st == PHIAL_OK ? st : no_number(t, &t->train, st, err);
}

/* --- looking --- */

/* Mean loss of the held-out part, or of as much of it as is looked at. */
static phial_status look(phial_training *t, double *mean, phial_error *err)
{
    ph_train_batch batch;
    ph_train_loss loss, sum = {0};
    uint64_t n = 0;
    phial_status st = PHIAL_OK;
    ph_packer_seek(&t->held, 0, 0);
    while (st == PHIAL_OK && t->held.index < t->corpus.held.n &&
           (t->o.eval_tokens == 0 || n < t->o.eval_tokens)) {
        ph_packer_next(&t->held, &batch);
        st = ph_trainee_loss(t->trainee, &batch, &loss, err);
        sum.sum += loss.sum;
        sum.n_targets += loss.n_targets;
        n += batch.n;
    }
    *mean = sum.sum / (double)sum.n_targets;
    return st == PHIAL_OK ? st : no_number(t, &t->held, st, err);
}

/* --- writing down --- */

static phial_status save_model(phial_training *t, phial_error *err)
{
    static const ph_dtype types[] = {PH_DTYPE_F16, PH_DTYPE_BF16, PH_DTYPE_F32};
    ph_trainee_save_options so;
    ph_trainee_save_options_default(&so);
    uint32_t end = phial_tokenizer_eos(t->tokenizer), bos = phial_tokenizer_bos(t->tokenizer);
    so.type = types[t->o.type];
    so.tokenizer_dir = t->tokenizer_dir;
    so.eos = end == PHIAL_TOKEN_NONE ? -1 : (int64_t)end;
    so.bos = bos == PHIAL_TOKEN_NONE ? -1 : (int64_t)bos;
    so.overwrite = true;
    const char *dir = ph_training_path(t, "model", err);
    /* Into a folder that is there file by file, each whole: a process that is killed leaves no
     * second folder behind. */
    phial_status st = dir ? ph_dir_make(dir, err) : PHIAL_ERR_NO_MEMORY;
    return st == PHIAL_OK ? ph_trainee_save(t->trainee, dir, &so, err) : st;
}

static phial_status save_log(phial_training *t, phial_error *err)
{
    char title[200];
    const char *csv = ph_training_path(t, "log.csv", err);
    const char *svg = csv ? ph_training_path(t, "loss.svg", err) : NULL;
    if (!svg)
        return PHIAL_ERR_NO_MEMORY;
    snprintf(title, sizeof title, "%.1fM weights, step %" PRIu64 " of %" PRIu64,
             (double)ph_trainee_n_weights(t->trainee) * 1e-6, ph_trainee_step(t->trainee),
             t->state.n_steps);
    phial_status st = ph_train_log_write_csv(&t->history, csv, err);
    return st == PHIAL_OK ? ph_train_log_write_svg(&t->history, title, svg, err) : st;
}

phial_status phial_training_save(phial_training *t, phial_error *err)
{
    if (t->failed)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "there is nothing worth saving after NaN");
    const char *path = ph_training_path(t, "state.safetensors", err);
    if (!path)
        return PHIAL_ERR_NO_MEMORY;
    t->state.epoch = t->train.epoch;
    t->state.index = t->train.index;
    /* The checkpoint comes last: where it tells of a model, that is there. */
    phial_status st = t->corpus.held.n == 0 ? save_model(t, err) : PHIAL_OK;
    if (st == PHIAL_OK)
        st = ph_train_state_save(path, t->trainee, &t->state, &t->history, err);
    if (st == PHIAL_OK)
        t->last_saved = ph_trainee_step(t->trainee);
    if (st == PHIAL_OK)
        st = save_log(t, err);
    if (st != PHIAL_OK && t->last_saved > 0)
        ph_err_context(err, st, "the checkpoint of step %" PRIu64 " is whole; then", t->last_saved);
    return st;
}

static phial_status look_and_keep(phial_training *t, ph_train_log_row *row, phial_error *err)
{
    phial_status st = look(t, &row->held_out_loss, err);
    if (st != PHIAL_OK)
        return st;
    if (isnan(t->state.best_loss) || row->held_out_loss < t->state.best_loss) {
        t->state.best_loss = row->held_out_loss;
        t->state.best_step = ph_trainee_step(t->trainee);
        t->state.n_worse = 0;
        return save_model(t, err);
    }
    t->state.n_worse++;
    return PHIAL_OK;
}

/* --- a step --- */

static double epochs_of(const phial_training *t)
{
    return (double)t->train.epoch + (double)t->train.index / (double)t->corpus.train.n;
}

static void take_pace(phial_training *t, uint64_t n_tokens, uint64_t ns)
{
    double now = (double)n_tokens / ((double)(ns ? ns : 1) * 1e-9);
    uint64_t n = ph_trainee_step(t->trainee) - t->first_step;
    double weight = 1.0 / (double)(n < PACE_STEPS ? (n ? n : 1) : PACE_STEPS);
    /* Of times, not of paces: a slow step counts for what it took. */
    t->tok_s = t->tok_s > 0 ? 1 / ((1 - weight) / t->tok_s + weight / now) : now;
}

static void report_step(const phial_training *t, const ph_train_log_row *row, uint64_t n_tokens,
                        phial_training_report *report)
{
    uint64_t step = ph_trainee_step(t->trainee);
    *report = (phial_training_report){
        .size = sizeof *report,
        .step = step,
        .n_steps = t->state.n_steps,
        .epoch = row->epoch,
        .n_tokens = t->state.n_tokens,
        .loss = row->loss,
        .lr = row->lr,
        .grad_norm = row->grad_norm,
        .tok_s = t->tok_s,
        .left_s = (double)(t->state.n_steps - step) * (double)n_tokens / t->tok_s,
        .has_held_out = !isnan(row->held_out_loss),
        .held_out_loss = row->held_out_loss,
        .best_loss = t->state.best_loss,
        .best_step = t->state.best_step,
        .saved = t->last_saved == step,
        .end = t->end,
    };
}

phial_status phial_training_step(phial_training *t, phial_training_report *report, phial_error *err)
{
    if (report->size != sizeof *report)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "report is not of this version");
    if (t->failed || t->end != PHIAL_TRAINING_GOES_ON)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "the run has ended");
    uint64_t n_tokens = 0, begin = ph_clock_ns();
    ph_train_log_row row = {.held_out_loss = (double)NAN};
    phial_status st = learn(t, &row, &n_tokens, err);
    if (st != PHIAL_OK)
        return st;
    take_pace(t, n_tokens, ph_clock_ns() - begin);
    uint64_t step = ph_trainee_step(t->trainee);
    t->state.n_tokens += n_tokens;
    row.step = (double)step;
    row.epoch = epochs_of(t);
    row.n_tokens = (double)t->state.n_tokens;
    bool last = step >= t->state.n_steps;
    if (t->corpus.held.n > 0 && (last || step % t->eval_every == 0))
        st = look_and_keep(t, &row, err);
    ph_train_log_row *kept = st == PHIAL_OK ? ph_train_log_add(&t->history, err) : NULL;
    if (!kept)
        return st == PHIAL_OK ? PHIAL_ERR_NO_MEMORY : st;
    *kept = row;
    ph_training_find_end(t);
    if (t->end != PHIAL_TRAINING_GOES_ON || step % t->save_every == 0)
        st = phial_training_save(t, err);
    report_step(t, &row, n_tokens, report);
    return st;
}

phial_status phial_training_finish(phial_training *t, phial_error *err)
{
    const char *dir = ph_training_path(t, "model", err);
    const char *file = dir ? ph_training_path(t, "model.gguf", err) : NULL;
    if (!file)
        return PHIAL_ERR_NO_MEMORY;
    phial_status st = PHIAL_OK;
    bool kept = t->corpus.held.n > 0 ? !isnan(t->state.best_loss) : t->last_saved > 0;
    if (!kept && t->failed)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "there is no model worth keeping");
    if (!kept)
        st = save_model(t, err);
    const ph_convert_options co = {.overwrite = true, .log = {t->o.log, t->o.log_user}};
    if (st == PHIAL_OK && t->o.gguf)
        st = ph_convert_to_gguf(dir, file, &co, err);
    return st;
}
