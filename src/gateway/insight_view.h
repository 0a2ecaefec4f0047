/*
 * insight_view: an insight as the API shows it, whether it was just found or is stored, and how the
 * found ones go to the store.
 */
#pragma once
#include "db/rows.h"
#include "gql/gql.h"
#include "json/json.h"

enum {
    INSIGHT_VIEWS_MAX = 100, /* of one answer of the ai service */
    INSIGHT_ADVICE_MAX = 10,
    INSIGHT_TYPE_CHARS_MAX = 100,
    INSIGHT_TITLE_CHARS_MAX = 500,
    INSIGHT_TEXT_CHARS_MAX = 5'000,
};

struct insight_view {
    struct str id, type, title, description;
    struct str severity;  /* "WARNING" */
    struct str state;     /* "OPEN" */
    struct str data_json; /* empty: null */
    double confidence;    /* NaN: none */
    const struct str *advice;
    size_t advice_count;
    struct str dismissed_reason; /* ptr NULL: none */
    int64_t created_at_us, updated_at_us;
};

struct insight_views {
    struct insight_view *items;
    void **objects; /* their addresses */
    size_t count;
};

/* Of rows of enum insight_column, which must live as long as the views. */
void insight_views_of_rows(struct arena *a, const struct db_rows *rows,
                           struct insight_views *ret_views);

/*
 * Of the ai service's answer {"insights": […]}; ids and times are new ones.
 *
 * Errors: UNAVAILABLE, origin AI: it is no such answer.
 */
[[nodiscard]] bool insight_views_of_json(struct arena *a, const struct json_value *answer,
                                         struct insight_views *ret_views, struct err *e);

/* For insight_store_step. */
[[nodiscard]] struct str insight_views_json(struct arena *a, const struct insight_views *views);

/* "WARNING" of "warning"; false where there is no such severity. */
[[nodiscard]] bool insight_severity_of(const struct json_value *v, struct str *ret_name);
/* A number from 0 to 1; NaN where there is none. False where it is something else. */
[[nodiscard]] bool insight_confidence_of(const struct json_value *v, double *ret_confidence);
[[nodiscard]] struct gql_value insight_confidence_value(double confidence);
/* A string of `chars_min` to `chars_max` characters. */
[[nodiscard]] bool insight_text_of(const struct json_value *v, size_t chars_min, size_t chars_max,
                                   struct str *ret_text);
