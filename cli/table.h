/* table: rows of cells in aligned columns, for people. Widths are those of a terminal that shows UTF-8,
 * whatever the locale is: the same text in a pipe, in a container without locales, and on a terminal. */
#ifndef AETHER_CLI_TABLE_H
#define AETHER_CLI_TABLE_H

#include "runtime/base/text.h"

struct table_column {
    const char *title;
    bool right; /* Numbers. */
};

/* Appends the titles and the rows, a line each. `cells` holds them row by row, `count` a row, of printable
 * text (render_line made it so). A line has no blanks at its end. */
void table_print(struct text *out, const struct table_column *columns, size_t count, const struct text *cells,
                 size_t rows);

#endif
