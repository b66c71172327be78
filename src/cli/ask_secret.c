/* Contract in ask_secret.h. */
#include "cli/ask_secret.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli_io.h"

#define WAIT_MS 100

bool ph_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* Byte by byte: what is typed ahead belongs to the next question. A Ctrl-C that comes just before a
 * read would not end it, hence the short waits. */
static phial_status read_line(ph_buf *out, phial_error *err)
{
    for (;;) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&in, 1, WAIT_MS);
        if (ph_interrupted())
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
        if (ready == 0 || (ready < 0 && errno == EINTR))
            continue;
        char byte;
        ssize_t n = ready > 0 ? read(STDIN_FILENO, &byte, 1) : -1;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ph_err_errno(err, errno, "reading from the terminal");
        if (n == 0 || byte == '\n')
            return ph_buf_status(out, err);
        ph_buf_add_byte(out, (uint8_t)byte);
    }
}

phial_status ph_ask_secret(ph_buf *out, const char *question, phial_error *err)
{
    struct termios before, silent;
    ph_buf_clear(out);
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return ph_err_errno(err, errno, "the terminal");
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) != 0)
        return ph_err_errno(err, errno, "the terminal");
    fputs(question, stderr);
    fflush(stderr);
    phial_status st = read_line(out, err);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    fputc('\n', stderr);
    return st;
}
