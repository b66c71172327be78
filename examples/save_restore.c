/* Saves a session to a file, restores it in another session and goes on with the same bits.
 * run: @SOURCE@/tests/data/tiny-phi @BUILD@/example.snapshot
 */
#include <phial/session.h>
#include <stdio.h>
#include <string.h>

static const uint32_t IDS[] = {10, 20, 30, 40, 50, 60, 70};
enum { N_PROMPT = 5, N_ALL = 7 };

static phial_status run(phial_session *first, phial_session *second, size_t n_vocab,
                        const char *path, phial_error *err)
{
    phial_status status = phial_session_sync(first, IDS, N_PROMPT, err);
    if (status == PHIAL_OK)
        status = phial_session_save(first, path, err);
    if (status == PHIAL_OK)
        status = phial_session_load(second, path, err);
    if (status == PHIAL_OK)
        status = phial_session_sync(first, IDS, N_ALL, err);
    if (status == PHIAL_OK)
        status = phial_session_sync(second, IDS, N_ALL, err);
    if (status != PHIAL_OK)
        return status;
    bool same = memcmp(phial_session_logits(first), phial_session_logits(second),
                       n_vocab * sizeof(float)) == 0;
    printf("%zu of %d tokens came from the snapshot; the logits are %s\n",
           phial_session_n_reused(second), N_ALL, same ? "the same" : "DIFFERENT");
    return PHIAL_OK;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: save_restore MODEL FILE\n");
        return 2;
    }
    phial_error err = {0};
    phial_model *model = NULL;
    phial_engine *engine = NULL;
    phial_session *first = NULL, *second = NULL;
    phial_model_info info = {.size = sizeof info};
    phial_status status = phial_model_open(&model, argv[1], NULL, &err);
    if (status == PHIAL_OK)
        status = phial_model_get_info(model, &info, &err);
    if (status == PHIAL_OK)
        status = phial_engine_new(&engine, model, NULL, &err);
    if (status == PHIAL_OK)
        status = phial_session_new(&first, engine, 64, &err);
    if (status == PHIAL_OK)
        status = phial_session_new(&second, engine, 64, &err);
    if (status == PHIAL_OK)
        status = run(first, second, info.n_vocab, argv[2], &err);
    if (status != PHIAL_OK)
        fprintf(stderr, "save_restore: %s\n", err.message);
    phial_session_free(second);
    phial_session_free(first);
    phial_engine_free(engine);
    phial_model_close(model);
    return status == PHIAL_OK ? 0 : 1;
}
