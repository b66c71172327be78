/* Contract in ask_secret.h. */
#include "cli/ask_secret.h"

#include <errno.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli_io.h"

bool ph_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* Byte by byte: what is typed ahead belongs to the next question. */
static phial_status read_line(ph_buf *out, phial_error *err)
{
    for (;;) {
        char byte;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n < 0 && errno == EINTR && !ph_interrupted())
            continue;
        if (ph_interrupted())
            return ph_err_set(err, PHIAL_ERR_CANCELLED, "interrupted");
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
