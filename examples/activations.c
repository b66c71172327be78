/* Watches the residual stream: how long the vector of each token is after every layer.
 * run: @SOURCE@/tests/data/tiny-phi
 */
#include <math.h>
#include <phial/session.h>
#include <stdio.h>

static void print_norms(void *user, const phial_activation_event *event)
{
    (void)user;
    printf("layer %2d %-6s", event->layer, phial_activation_name(event->what));
    for (size_t i = 0; i < event->n; i++) {
        double sum = 0;
        for (size_t c = 0; c < event->n_cols; c++) {
            double v = event->data[i * event->n_cols + c];
            sum += v * v;
        }
        printf(" %8.3f", sqrt(sum));
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    static const uint32_t ids[] = {10, 20, 30, 40, 50};
    phial_error err = {0};
    phial_model *model = NULL;
    phial_engine *engine = NULL;
    phial_session *session = NULL;
    phial_status status = phial_model_open(&model, argc > 1 ? argv[1] : "model.gguf", NULL, &err);
    if (status == PHIAL_OK)
        status = phial_engine_new(&engine, model, NULL, &err);
    if (status == PHIAL_OK)
        status = phial_session_new(&session, engine, 64, &err);
    if (status == PHIAL_OK)
        status = phial_session_on_activation(session, 1u << PHIAL_ACT_EMBED | 1u << PHIAL_ACT_OUT,
                                             print_norms, NULL, &err);
    if (status == PHIAL_OK)
        status = phial_session_sync(session, ids, sizeof ids / sizeof ids[0], &err);
    if (status != PHIAL_OK)
        fprintf(stderr, "activations: %s\n", err.message);
    phial_session_free(session);
    phial_engine_free(engine);
    phial_model_close(model);
    return status == PHIAL_OK ? 0 : 1;
}
