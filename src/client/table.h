/*
 * table: rows for people: columns aligned by what a terminal shows, cut to its width, with colour
 * where it is wanted. Pure.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum table_style {
    TABLE_PLAIN,
    TABLE_BOLD,
    TABLE_DIM,
    TABLE_GOOD,
    TABLE_BUSY, /* under way */
    TABLE_WARN,
    TABLE_BAD,
};

struct table_column {
    const char *title;
    bool is_right;     /* numbers */
    size_t shrinks_to; /* columns that it keeps where the terminal is narrow; 0: all of them */
};

struct table_cell {
    struct str text; /* any text; it is shown as one line */
    enum table_style style;
};

struct table_options {
    size_t width; /* of the terminal; 0: none, nothing is cut */
    bool has_colour;
    bool has_titles;
};

struct table;

/* In the arena, as all that is added; `columns` must outlive it. */
[[nodiscard]] struct table *table_create(struct arena *a, const struct table_column *columns,
                                         size_t count);
/* A cell for each column. */
void table_add(struct table *t, const struct table_cell *cells);
[[nodiscard]] size_t table_row_count(const struct table *t);

/* All rows. Where the terminal is too narrow, the widest columns that may shrink do so first. */
void table_put(struct buf *b, const struct table *t, const struct table_options *options);

/* One text in its colour, as a cell would be. */
void table_put_text(struct buf *b, struct table_cell cell, bool has_colour);
