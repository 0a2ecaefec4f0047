#include "client/table.h"

#include "base/list.h"
#include "client/text.h"

enum { GAP = 2 };

struct row {
    struct list node;
    struct table_cell *cells;
};

struct table {
    struct arena *arena;
    const struct table_column *columns;
    size_t column_count, row_count;
    struct list rows;
};

struct table *table_create(struct arena *a, const struct table_column *columns, size_t count)
{
    assert(count > 0);
    struct table *t = arena_new(a, struct table);
    *t = (struct table){ .arena = a, .columns = columns, .column_count = count };
    list_init(&t->rows);
    return t;
}

void table_add(struct table *t, const struct table_cell *cells)
{
    struct row *row = arena_new(t->arena, struct row);
    row->cells = arena_new_array(t->arena, t->column_count, struct table_cell);
    for (size_t i = 0; i < t->column_count; i++) {
        struct str line = text_line(t->arena, cells[i].text);
        row->cells[i] = (struct table_cell){ arena_copy(t->arena, line), cells[i].style };
    }
    list_push(&t->rows, &row->node);
    t->row_count++;
}

size_t table_row_count(const struct table *t)
{
    return t->row_count;
}

/* ── widths ── */

static void measure(const struct table *t, bool has_titles, size_t *widths)
{
    for (size_t i = 0; i < t->column_count; i++)
        widths[i] = has_titles ? strlen(t->columns[i].title) : 0;
    list_each (node, &t->rows) {
        const struct row *row = container_of(node, struct row, node);
        for (size_t i = 0; i < t->column_count; i++)
            widths[i] = max_of(widths[i], text_width(row->cells[i].text));
    }
}

/* The widest of those that may still give; the count of columns where none can. */
static size_t find_widest(const struct table *t, const size_t *widths)
{
    size_t best = t->column_count;
    for (size_t i = 0; i < t->column_count; i++) {
        size_t least = t->columns[i].shrinks_to;
        if (least > 0 && widths[i] > least && (best == t->column_count || widths[i] > widths[best]))
            best = i;
    }
    return best;
}

static void shrink(const struct table *t, size_t width, size_t *widths)
{
    size_t total = GAP * (t->column_count - 1);
    for (size_t i = 0; i < t->column_count; i++)
        total += widths[i];
    for (size_t i = find_widest(t, widths); total > width && i < t->column_count;
         i = find_widest(t, widths)) {
        widths[i]--;
        total--;
    }
}

/* ── lines ── */

static const char *const codes[] = {
    [TABLE_PLAIN] = "",        [TABLE_BOLD] = "\033[1m",  [TABLE_DIM] = "\033[2m",
    [TABLE_GOOD] = "\033[32m", [TABLE_BUSY] = "\033[36m", [TABLE_WARN] = "\033[33m",
    [TABLE_BAD] = "\033[31m",
};

void table_put_text(struct buf *b, struct table_cell cell, bool has_colour)
{
    bool is_coloured = has_colour && cell.style != TABLE_PLAIN && cell.text.len > 0;
    if (is_coloured)
        buf_put_c(b, codes[cell.style]);
    buf_put_str(b, cell.text);
    if (is_coloured)
        buf_put_c(b, "\033[0m");
}

static void put_spaces(struct buf *b, size_t count)
{
    buf_printf(b, "%*s", (int)count, "");
}

/* `room` is what is left of the line. */
static void put_cell(struct buf *b, struct table_cell cell, bool is_right, bool is_last,
                     size_t width, bool has_colour)
{
    size_t own = text_width(cell.text);
    bool is_cut = own > width;
    if (is_cut) {
        cell.text = text_first_columns(cell.text, width > 0 ? width - 1 : 0);
        own = text_width(cell.text) + (width > 0);
    }
    if (is_right)
        put_spaces(b, width - own);
    table_put_text(b, cell, has_colour);
    if (is_cut && width > 0)
        buf_put_c(b, "…");
    if (!is_right && !is_last)
        put_spaces(b, width - own);
}

/* The line ends where the terminal does, also where the columns cannot shrink so far. */
static void put_line(struct buf *b, const struct table *t, const struct table_cell *cells,
                     const size_t *widths, const struct table_options *options)
{
    size_t room = options->width > 0 ? options->width : SIZE_MAX;
    for (size_t i = 0; i < t->column_count && room > 0; i++) {
        size_t width = min_of(widths[i], room);
        bool is_last = i + 1 == t->column_count || room - width <= GAP;
        put_cell(b, cells[i], t->columns[i].is_right, is_last, width, options->has_colour);
        if (is_last)
            break;
        put_spaces(b, GAP);
        room -= width + GAP;
    }
    while (b->len > 0 && b->ptr[b->len - 1] == ' ')
        b->len--;
    buf_put_char(b, '\n');
}

void table_put(struct buf *b, const struct table *t, const struct table_options *options)
{
    size_t *widths = arena_new_array(t->arena, t->column_count, size_t);
    measure(t, options->has_titles, widths);
    if (options->width > 0)
        shrink(t, options->width, widths);
    if (options->has_titles) {
        struct table_cell *titles = arena_new_array(t->arena, t->column_count, struct table_cell);
        for (size_t i = 0; i < t->column_count; i++)
            titles[i] = (struct table_cell){ str_of_c(t->columns[i].title), TABLE_DIM };
        put_line(b, t, titles, widths, options);
    }
    list_each (node, &t->rows)
        put_line(b, t, container_of(node, struct row, node)->cells, widths, options);
}
