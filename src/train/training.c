/* A run: opened, or gone on with; contract in phial/train.h. Its steps are in training_step.c. */
#include <inttypes.h>
#include <math.h>

#include "base/mem.h"
#include "phial/model.h"
#include "tok/tok.h"
#include "train/training_struct.h"

#define RUN_FILE   "run.json"
#define STATE_FILE "state.safetensors"
/* Without a number from the user: looks in a run, and the part of it in which the rate rises. */
#define LOOKS      20
#define WARMUP_MAX 500

const char *ph_training_path(phial_training *t, const char *name, phial_error *err)
{
    char *path = ph_path_join(t->o.dir, name, err);
    const char *kept = path ? ph_arena_strndup(&t->arena, path, strlen(path), err) : NULL;
    ph_free(path);
    return kept;
}

/* --- the folder --- */

static phial_status refuse_second_run(phial_training *t, const char *run, const char *state,
                                      phial_error *err)
{
    bool there =
        ph_file_kind_of(run) != PH_FILE_MISSING || ph_file_kind_of(state) != PH_FILE_MISSING;
    if (!there)
        return PHIAL_OK;
    if (!t->o.overwrite)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "%s: there is a run in it already; go on with it (--resume), or begin "
                          "anew (--force)",
                          t->o.dir);
    /* The options go last: without them nothing can be gone on with. */
    phial_status st = ph_file_remove(state, err);
    return st == PHIAL_OK ? ph_file_remove(run, err) : st;
}

static phial_status take_folder(phial_training *t, phial_error *err)
{
    const char *lock = ph_training_path(t, "lock", err);
    const char *run = lock ? ph_training_path(t, RUN_FILE, err) : NULL;
    const char *state = run ? ph_training_path(t, STATE_FILE, err) : NULL;
    const char *model = state ? ph_training_path(t, "model", err) : NULL;
    if (!model)
        return PHIAL_ERR_NO_MEMORY;
    if (t->o.resume && ph_file_kind_of(run) == PH_FILE_MISSING)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "%s: there is no run in it to go on with",
                          t->o.dir);
    phial_status st = ph_dir_make(t->o.dir, err);
    if (st == PHIAL_OK)
        st = ph_lock_open(&t->lock, lock, err);
    if (st != PHIAL_OK)
        return st;
    ph_dir_sweep(t->o.dir);
    ph_dir_sweep(model);
    if (!t->o.resume)
        return refuse_second_run(t, run, state, err);
    st = ph_training_opts_read(&t->o, run, &t->arena, err);
    return st == PHIAL_OK ? ph_training_opts_check(&t->o, err) : st;
}

/* --- what to learn with --- */

/* The folder whose tokenizer files go along with the model: where they came from, or, out of a
 * GGUF file or a lone tokenizer.json, one that is written for it. */
static phial_status find_tokenizer_dir(phial_training *t, const char *path, phial_error *err)
{
    if (ph_file_kind_of(path) == PH_FILE_DIRECTORY) {
        t->tokenizer_dir = path;
        return PHIAL_OK;
    }
    t->tokenizer_dir = ph_training_path(t, "tokenizer", err);
    if (!t->tokenizer_dir)
        return PHIAL_ERR_NO_MEMORY;
    return ph_vocab_save(ph_tokenizer_vocab(t->tokenizer), t->tokenizer_dir, err);
}

static phial_status open_tokenizer(phial_training *t, phial_error *err)
{
    const char *path = t->o.tokenizer ? t->o.tokenizer : t->o.from;
    phial_status st = phial_tokenizer_open(&t->tokenizer, path, err);
    if (st == PHIAL_OK)
        st = find_tokenizer_dir(t, path, err);
    if (st == PHIAL_OK && t->o.preset)
        st = phial_preset_open(&t->preset, t->o.preset, NULL, err);
    if (st == PHIAL_OK && !t->preset)
        st = ph_err_set(err, PHIAL_ERR_ARGUMENT, "there is no preset for messages");
    if (st == PHIAL_OK && phial_tokenizer_eos(t->tokenizer) == PHIAL_TOKEN_NONE) {
        const ph_log log = {t->o.log, t->o.log_user};
        ph_log_write(&log, PH_LOG_WARN,
                     "the tokenizer has no end-of-text token: the model will not learn to stop");
    }
    return st;
}

static phial_status make_trainee(phial_training *t, phial_error *err)
{
    ph_trainee_options to;
    ph_trainee_options_default(&to);
    to.math = t->o.bf16 ? PH_TRAIN_BF16 : PH_TRAIN_F32;
    to.n_threads = t->o.n_threads;
    to.recompute = t->o.recompute;
    to.max_tokens = t->o.batch_tokens;
    uint32_t n_tokens = phial_tokenizer_n_vocab(t->tokenizer);
    phial_status st;
    if (t->o.from) {
        phial_model *model = NULL;
        phial_model_options mo;
        phial_model_options_default(&mo);
        st = phial_model_open(&model, t->o.from, &mo, err);
        if (st == PHIAL_OK)
            st = ph_trainee_from_model(&t->trainee, model, &to, err);
        phial_model_close(model);
    } else {
        const ph_hparams hp = {
            .n_vocab = n_tokens,
            .n_embd = t->o.n_embd,
            .n_layer = t->o.n_layer,
            .n_head = t->o.n_head,
            .n_head_kv = t->o.n_head,
            .head_dim = t->o.n_embd / t->o.n_head,
            .n_rot = t->o.n_rot,
            .n_ff = t->o.n_ff,
            .n_ctx_max = t->o.n_ctx,
            .norm_eps = 1e-5f,
            .rope_theta = 10000,
            .rope_factor = 1,
        };
        st = ph_hparams_check(&hp, err);
        if (st == PHIAL_OK)
            st = ph_trainee_new(&t->trainee, &hp, t->o.seed, &to, err);
    }
    if (st != PHIAL_OK)
        return st;
    const ph_hparams *hp = ph_trainee_hparams(t->trainee);
    if (n_tokens > hp->n_vocab)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "the tokenizer has %u tokens, the model knows %u", n_tokens, hp->n_vocab);
    t->n_ctx = t->o.n_ctx < hp->n_ctx_max ? t->o.n_ctx : hp->n_ctx_max;
    return PHIAL_OK;
}

/* --- the examples --- */

static phial_status add_files(phial_training *t, const char *const *paths, size_t n,
                              ph_corpus_part part, phial_error *err)
{
    const ph_corpus_options co = {
        .tokenizer = t->tokenizer,
        .preset = t->preset,
        .n_ctx = t->n_ctx,
        .format = t->o.format == PHIAL_TRAIN_FORMAT_TEXT    ? PH_RECORDS_PLAIN
                  : t->o.format == PHIAL_TRAIN_FORMAT_JSONL ? PH_RECORDS_JSONL
                                                            : PH_RECORDS_AUTO,
        .strict = t->o.strict,
        .parse_special = t->o.parse_special,
        .learn_prompts = t->o.learn_prompts,
        /* A whole file is held out: nothing of the others need be. */
        .held_out = t->o.n_held_out_paths > 0 ? 0 : t->o.held_out,
        .log = {t->o.log, t->o.log_user},
    };
    phial_status st = PHIAL_OK;
    for (size_t i = 0; i < n && st == PHIAL_OK; i++) {
        if (t->o.progress && !t->o.progress(t->o.progress_user, "reading examples", i, n))
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
        st = ph_corpus_add(&t->corpus, paths[i], part, &co, err);
    }
    return st;
}

static phial_status read_corpus(phial_training *t, phial_error *err)
{
    phial_status st = add_files(t, t->o.paths, t->o.n_paths, PH_CORPUS_SPLIT, err);
    if (st == PHIAL_OK)
        st = add_files(t, t->o.held_out_paths, t->o.n_held_out_paths, PH_CORPUS_HELD_OUT, err);
    if (st != PHIAL_OK)
        return st;
    const ph_corpus_stats *s = &t->corpus.stats;
    if (t->corpus.train.n == 0)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "there is no example to learn from (%" PRIu64 " held out, %" PRIu64
                          " lines skipped, %" PRIu64 " too long)",
                          (uint64_t)t->corpus.held.n, s->records.n_empty + s->records.n_malformed,
                          s->n_too_long);
    const ph_log log = {t->o.log, t->o.log_user};
    if (t->corpus.held.n == 0)
        ph_log_write(&log, PH_LOG_WARN,
                     "nothing is held out: the last model counts as the best one");
    st = ph_packer_init(&t->train, &t->corpus, &t->corpus.train, t->o.seed, false,
                        t->o.batch_tokens, err);
    if (st == PHIAL_OK && t->corpus.held.n > 0)
        st = ph_packer_init(&t->held, &t->corpus, &t->corpus.held, 0, true, t->o.batch_tokens, err);
    return st;
}

/* Steps that n_epochs take, by going through them. */
static uint64_t count_steps(phial_training *t)
{
    uint64_t n = t->corpus.train.n, n_steps = 0;
    ph_packer_seek(&t->train, 0, 0);
    while (t->train.epoch * n + t->train.index < t->o.n_epochs * n) {
        for (uint32_t i = 0; i < t->o.accumulate; i++)
            ph_packer_skip(&t->train);
        n_steps++;
    }
    ph_packer_seek(&t->train, 0, 0);
    return n_steps;
}

static void plan(phial_training *t)
{
    uint64_t n = t->o.n_steps > 0 ? t->o.n_steps : count_steps(t);
    t->state.n_steps = n;
    t->eval_every = t->o.eval_every > 0 ? t->o.eval_every : (n + LOOKS - 1) / LOOKS;
    t->save_every = t->o.save_every > 0 ? t->o.save_every : t->eval_every;
    uint64_t warmup = n / LOOKS < WARMUP_MAX ? n / LOOKS : WARMUP_MAX;
    t->n_warmup = t->o.n_warmup == UINT64_MAX ? warmup : t->o.n_warmup;
}

/* --- going on --- */

static phial_status load_state(phial_training *t, phial_error *err)
{
    const char *path = ph_training_path(t, STATE_FILE, err);
    uint64_t n_steps = t->state.n_steps, corpus = t->state.corpus;
    if (!path)
        return PHIAL_ERR_NO_MEMORY;
    /* Stopped before its first checkpoint: the beginning is where it goes on. */
    if (ph_file_kind_of(path) == PH_FILE_MISSING)
        return PHIAL_OK;
    phial_status st = ph_train_state_load(path, t->trainee, &t->state, &t->history, err);
    if (st != PHIAL_OK)
        return st;
    if (t->state.corpus != corpus || t->state.n_steps != n_steps ||
        t->state.index > t->corpus.train.n)
        return ph_err_set(err, PHIAL_ERR_BAD_INPUT,
                          "%s: the examples are not those that the run began with", path);
    ph_packer_seek(&t->train, t->state.epoch, (size_t)t->state.index);
    return PHIAL_OK;
}

void ph_training_find_end(phial_training *t)
{
    if (ph_trainee_step(t->trainee) >= t->state.n_steps)
        t->end = PHIAL_TRAINING_STEPS_DONE;
    else if (t->o.patience > 0 && t->state.n_worse >= t->o.patience)
        t->end = PHIAL_TRAINING_NO_BETTER;
}

static phial_status begin(phial_training *t, phial_error *err)
{
    phial_status st = take_folder(t, err);
    if (st == PHIAL_OK)
        st = open_tokenizer(t, err);
    if (st == PHIAL_OK)
        st = make_trainee(t, err);
    if (st == PHIAL_OK)
        st = read_corpus(t, err);
    if (st != PHIAL_OK)
        return st;
    plan(t);
    t->state.corpus = ph_corpus_hash(&t->corpus);
    t->state.best_loss = (double)NAN;
    if (t->o.resume)
        return load_state(t, err);
    const char *run = ph_training_path(t, RUN_FILE, err);
    return run ? ph_training_opts_write(&t->o, run, err) : PHIAL_ERR_NO_MEMORY;
}

phial_status phial_training_open(phial_training **out, const phial_training_options *options,
                                 phial_error *err)
{
    *out = NULL;
    if (!options || options->size != sizeof *options || !options->dir)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT,
                          "options are not of this version, or name no folder");
    phial_status st = options->resume ? PHIAL_OK : ph_training_opts_check(options, err);
    if (st != PHIAL_OK)
        return st;
    phial_training *t = ph_alloc(1, sizeof *t, err);
    if (!t)
        return PHIAL_ERR_NO_MEMORY;
    ph_arena_init(&t->arena, 0);
    ph_corpus_init(&t->corpus);
    st = ph_training_opts_copy(&t->o, options, &t->arena, err);
    if (st == PHIAL_OK)
        st = begin(t, err);
    if (st != PHIAL_OK) {
        phial_training_close(t);
        return st;
    }
    t->first_step = t->last_saved = ph_trainee_step(t->trainee);
    ph_training_find_end(t);
    *out = t;
    return PHIAL_OK;
}

void phial_training_close(phial_training *t)
{
    if (!t)
        return;
    ph_packer_free(&t->train);
    ph_packer_free(&t->held);
    ph_train_log_free(&t->history);
    ph_trainee_free(t->trainee);
    ph_corpus_free(&t->corpus);
    phial_preset_free(t->preset);
    phial_tokenizer_close(t->tokenizer);
    ph_lock_close(t->lock);
    ph_arena_free(&t->arena);
    ph_free(t);
}

phial_status phial_training_get_info(const phial_training *t, phial_training_info *info,
                                     phial_error *err)
{
    if (info->size != sizeof *info)
        return ph_err_set(err, PHIAL_ERR_ARGUMENT, "info is not of this version");
    const ph_corpus_stats *s = &t->corpus.stats;
    *info = (phial_training_info){
        .size = sizeof *info,
        .n_weights = ph_trainee_n_weights(t->trainee),
        .memory_bytes = ph_trainee_bytes(t->trainee) + t->corpus.cap_tokens * sizeof(uint32_t),
        .ended = t->end != PHIAL_TRAINING_GOES_ON,
        .n_steps = t->state.n_steps,
        .first_step = t->first_step,
        .n_examples = t->corpus.train.n,
        .n_tokens = t->corpus.train.n_tokens,
        .n_targets = t->corpus.train.n_targets,
        .n_held_out = t->corpus.held.n,
        .n_held_out_targets = t->corpus.held.n_targets,
        .best_loss = t->state.best_loss,
        .best_step = t->state.best_step,
        .n_empty = s->records.n_empty,
        .n_malformed = s->records.n_malformed,
        .n_too_long = s->n_too_long,
        .n_cut = s->n_cut,
        .n_shortened = s->n_shortened,
    };
    return PHIAL_OK;
}
