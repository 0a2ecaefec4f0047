/*
 * select: reads whose columns, filter and order depend on the query, as SQL over one entity table.
 * Identifiers come from the entity tables alone and values are always parameters. A page is found
 * by keyset: the row it starts after, never a count of rows to skip.
 *
 *   select_statement: the SQL of a select's shape; a plan makes it once and keeps it
 *   select_args:      the values of one run, in the order of the shape's parameters
 *
 * Two selects that differ in values only have the same shape. The limit is of the shape: a planner
 * that does not know it plans anew at each run (a page of 50 tasks by pgbench: 398 us of
 * PostgreSQL's CPU instead of 216).
 * Source: docs/style.md section 7.
 */
#pragma once
#include "db/statement.h"
#include "schema/entities.h"

enum select_op {
    SELECT_ALL, /* of `items`; of none: everything */
    SELECT_ANY, /* of `items`; of none: nothing */
    SELECT_NOT, /* of the one item */
    SELECT_EQ,
    SELECT_EQ_NOCASE, /* lower(column) = lower(value), as an index on lower(column) serves it */
    SELECT_LESS,
    SELECT_GREATER,
    SELECT_IS_NULL,  /* no value */
    SELECT_IN,       /* `values`, as many as there are */
    SELECT_CONTAINS, /* the text anywhere in the column, whatever its case; of a JSON, in its text
                      */
    /* The text at the end of a UUID's: at least eight digits of its last group, in lower case, else
     * nothing is found. An index on substr(uuid_send(column), 13) serves it. */
    SELECT_ENDS_WITH,
    SELECT_JSON_CONTAINS, /* jsonb containment */
    /* One of `labels` of an enum. They stand in the SQL itself, so that the planner sees whether an
     * index of some labels alone serves. */
    SELECT_IN_LABELS,
    SELECT_OP_COUNT
};

struct select_filter {
    enum select_op op;
    int column;       /* of the table; leaves only */
    struct str value; /* in PostgreSQL's text form */
    const struct str *values;
    size_t value_count; /* of `values` */
    uint32_t labels;    /* a set: bit n is label n of the column's enum */
    const struct select_filter *items;
    size_t item_count;
};

/* True where that operator makes sense for a column of that type. */
[[nodiscard]] bool select_op_fits(enum select_op op, const struct schema_column *column);

struct select_order {
    int column; /* not nullable; the last of the orders is unique */
    bool is_descending;
};

struct select {
    const struct schema_table *table;
    uint64_t columns;                   /* a set: bit n is column n; never empty */
    const struct select_filter *filter; /* NULL: all rows */
    const struct select_order *orders;
    size_t order_count;
    /* The rows that the page comes after and ends before, a value an order; NULL: from the start,
     * to the end. */
    const struct str *after, *until;
    size_t limit; /* at most so many rows; 0: no bound */
    /*
     * The same for many parents in one statement: each gets the page of the rows whose
     * `each_column` is its id. Rows come parent by parent, in order; one more column at the end
     * tells whose it is, counted from 1. NULL: no parents, one page. The orders' columns must be
     * selected.
     */
    const struct uuid *parents;
    size_t parent_count;
    int each_column;
};

#define SELECT_BIT(column) (UINT64_C(1) << (column))

/* How many columns are in a set. Not __builtin_popcountll, which is a call of libgcc's where the
 * processor's own instruction may not be assumed: getters ask for each cell of an answer. */
[[nodiscard]] static inline uint32_t select_column_count(uint64_t columns)
{
    columns -= columns >> 1 & 0x5555555555555555;
    columns = (columns & 0x3333333333333333) + (columns >> 2 & 0x3333333333333333);
    columns = (columns + (columns >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (uint32_t)(columns * 0x0101010101010101 >> 56);
}

/* Where a column of the set stands in its rows. */
[[nodiscard]] static inline uint32_t select_position(uint64_t columns, int column)
{
    assert(columns & SELECT_BIT(column));
    return select_column_count(columns & (SELECT_BIT(column) - 1));
}

/* In the arena. */
[[nodiscard]] const struct db_statement *select_statement(struct arena *a, const struct select *s);
[[nodiscard]] const struct db_args *select_args(struct arena *a, const struct select *s);

/*
 * How many rows the filter finds, counting to `count_max` and no further: one row of one int8; with
 * parents a row for each, in their order. Columns, order, page and limit say nothing here. Its args
 * are select_count_args'.
 */
[[nodiscard]] const struct db_statement *
select_count_statement(struct arena *a, const struct select *s, size_t count_max);
[[nodiscard]] const struct db_args *select_count_args(struct arena *a, const struct select *s);
/* The same for each label of an enum column, in their order: one row of an int8 a label; without
 * parents. */
[[nodiscard]] const struct db_statement *select_label_counts_statement(struct arena *a,
                                                                       const struct select *s,
                                                                       int column,
                                                                       size_t count_max);
