/* output: see the header. */
#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_BROKEN_OUTPUT = 1 };

int output_print(const struct text *text)
{
    size_t written = fwrite(text_string(text), 1, text->size, stdout);
    if (written == text->size && fflush(stdout) == 0) return 0;
    int failure = errno;
    (void)fprintf(stderr,
                  "error: the result can't be written\n"
                  "standard output: %s\n"
                  "try: another place for it; what was asked for may be done already\n",
                  strerror(failure));
    return EXIT_BROKEN_OUTPUT;
}
