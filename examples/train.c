/* A model from nothing: train TEXT FOLDER
 *
 * Makes a tokenizer of the words of TEXT, then a tiny model that learns the text for a few steps,
 * and prints the loss of each step. The model is in FOLDER/run/model afterwards.
 *
 * run: @SOURCE@/tests/data/bpe/text.txt @BUILD@/example-train
 */
#include <phial/train.h>
#include <stdio.h>
#include <sys/stat.h>

static int fail(const phial_error *err)
{
    fprintf(stderr, "train: %s\n", err->message);
    return 1;
}

static phial_status learn(phial_training *training, phial_error *err)
{
    phial_training_report report = {.size = sizeof report};
    phial_status st = PHIAL_OK;
    while (st == PHIAL_OK && report.end == PHIAL_TRAINING_GOES_ON) {
        st = phial_training_step(training, &report, err);
        if (st == PHIAL_OK)
            printf("step %2d of %d: loss %.3f\n", (int)report.step, (int)report.n_steps,
                   report.loss);
    }
    return st == PHIAL_OK ? phial_training_finish(training, err) : st;
}

int main(int argc, char **argv)
{
    phial_error err = {0};
    char words[1024], run[1024];
    if (argc != 3) {
        fputs("usage: train TEXT FOLDER\n", stderr);
        return 2;
    }
    const char *const paths[] = {argv[1]};
    mkdir(argv[2], 0777);
    snprintf(words, sizeof words, "%s/words", argv[2]);
    snprintf(run, sizeof run, "%s/run", argv[2]);

    phial_tokenizer_train_options to;
    phial_tokenizer_train_options_default(&to);
    to.n_vocab = 300;
    if (phial_tokenizer_train(words, paths, 1, &to, NULL, &err) != PHIAL_OK)
        return fail(&err);

    phial_training_options o;
    phial_training_options_default(&o);
    o.dir = run;
    o.overwrite = true;
    o.paths = paths;
    o.n_paths = 1;
    o.tokenizer = words;
    o.n_embd = 32;
    o.n_layer = 2;
    o.n_head = 2;
    o.n_ff = 64;
    o.n_rot = 8;
    o.n_ctx = 64;
    o.batch_tokens = 512;
    o.n_steps = 10;
    o.held_out = 0.1;
    phial_training *training = NULL;
    phial_status st = phial_training_open(&training, &o, &err);
    if (st == PHIAL_OK)
        st = learn(training, &err);
    phial_training_close(training);
    if (st != PHIAL_OK)
        return fail(&err);
    printf("%s/model\n", run);
    return 0;
}
