/* Contract in answer_signal.h.
 *
 * The handler may run on any thread while the main thread takes a session out: it takes the pointer
 * out of its slot for as long as it uses it, and whoever removes a session waits for it to be back.
 */
#include "cli/answer_signal.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static _Atomic(phial_session *) slots[PH_ANSWER_SESSIONS];
static volatile sig_atomic_t interrupted;
static struct sigaction old_int, old_term;
static bool with_term;

static void on_signal(int sig)
{
    interrupted = 1;
    for (size_t i = 0; i < PH_ANSWER_SESSIONS; i++) {
        phial_session *s = atomic_exchange(&slots[i], NULL);
        if (s) {
            phial_session_cancel(s);
            atomic_store(&slots[i], s);
        }
    }
    sigaction(sig, sig == SIGINT ? &old_int : &old_term, NULL);
}

void ph_answer_begin(bool term_too)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    interrupted = 0;
    with_term = term_too;
    sigaction(SIGINT, &action, &old_int);
    if (term_too)
        sigaction(SIGTERM, &action, &old_term);
}

void ph_answer_end(void)
{
    sigaction(SIGINT, &old_int, NULL);
    if (with_term)
        sigaction(SIGTERM, &old_term, NULL);
}

bool ph_answer_interrupted(void)
{
    return interrupted != 0;
}

void ph_answer_add(phial_session *session)
{
    for (size_t i = 0; i < PH_ANSWER_SESSIONS; i++) {
        phial_session *none = NULL;
        if (atomic_compare_exchange_strong(&slots[i], &none, session)) {
            if (interrupted) /* a signal that came before the session was in its slot */
                phial_session_cancel(session);
            return;
        }
    }
}

void ph_answer_remove(phial_session *session)
{
    /* Once around is not enough while the handler holds it; a session that was never put in (more
     * than there are slots) must not be waited for. */
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < PH_ANSWER_SESSIONS; i++) {
            phial_session *mine = session;
            if (atomic_compare_exchange_strong(&slots[i], &mine, NULL))
                return;
        }
    }
}
