/*
 * api: what the commands that ask a gateway share: where it is, who asks, and how answers are told:
 * as tables, or with --json one object a line.
 * Source: docs/cli.md.
 */
#pragma once
#include "base/arena.h"
#include "client/client.h"
#include "client/table.h"
#include "cmd/cmd.h"
#include "json/writer.h"

struct api {
    const struct conf *conf;
    struct arena *arena;
    struct client *client;
    struct str url;
    bool is_json;
    bool has_colour;
    bool is_terminal; /* of standard output */
    size_t width;     /* of the terminal; 0: none */
    int64_t now_us;
    int exit_code; /* where all went well; CMD_OK unless the command says otherwise */
    bool is_usage; /* the error is one of the command line */
    struct buf out;
    struct buf variables;
    struct json_writer writer; /* into them */
};

/* Does the work of one command. False: `e` is told. */
typedef bool api_fn(struct api *api, struct err *e);

/* Finds gateway and token, calls `fn`, prints what it wrote to `out`. Gives the exit code. */
int api_run(const struct conf *conf, api_fn *fn);
/* The same without a token, also where there is one. */
int api_run_as_nobody(const struct conf *conf, api_fn *fn);

/* For a command that asks besides: all in `a`; api_end afterwards, also where it failed. */
[[nodiscard]] bool api_begin(struct api *api, const struct conf *conf, struct arena *a,
                             struct err *e);
void api_end(struct api *api);

/* Refuses the command line: exit code CMD_USAGE. */
#define api_usage(api, e, ...) ((api)->is_usage = true, err_set((e), ERR_INVALID, __VA_ARGS__))

/* Where the gateway is, as the settings, the running `windlass up`, or the default say. */
[[nodiscard]] struct str api_url(const struct conf *conf, struct arena *a);
/* Where the gateway of this machine is: as the running `windlass up` says, or the default. */
[[nodiscard]] struct str api_own_url(const struct conf *conf, struct arena *a);

/* ── asking ── */

/* The variables of the next request, in the order in which they are written. */
[[nodiscard]] struct json_writer *api_variables(struct api *api);
/* Ends the variables, if any, and asks. */
[[nodiscard]] bool api_ask(struct api *api, const char *document,
                           const struct json_value **ret_data, struct err *e);

/* Asks with the variable "id" alone. */
[[nodiscard]] bool api_ask_of(struct api *api, const char *document, struct str id,
                              const struct json_value **ret_data, struct err *e);

/* Members of an input, where their option is given. */
void api_put_text(struct api *api, enum conf_id id, const char *key);
void api_put_int(struct api *api, enum conf_id id, const char *key);
/* The number that the text is. Errors: INVALID, as usage. */
[[nodiscard]] bool api_put_number(struct api *api, enum conf_id id, const char *key, struct err *e);
void api_put_bool(struct api *api, enum conf_id id, const char *key);
void api_put_seconds(struct api *api, enum conf_id id, const char *key);
/* The name of an enum's value: "run_once" is RUN_ONCE. */
void api_write_enum(struct api *api, struct str name);
void api_put_enum(struct api *api, enum conf_id id, const char *key);
/* "a,b" as a list, of names of an enum's values in capitals. */
void api_put_list(struct api *api, enum conf_id id, const char *key, bool is_enum);
/* A time as the API wants it. */
void api_put_time(struct api *api, const char *key, int64_t at_us);
/* The JSON of --payload, its file or standard input. Errors: INVALID, as usage. */
[[nodiscard]] bool api_put_payload(struct api *api, struct err *e);

/* A line of standard input, without its end. Errors: INVALID for an empty one. */
[[nodiscard]] bool api_read_line(struct api *api, struct str *ret_line, struct err *e);
/* At a terminal asked for and not shown; else the next line of standard input, for scripts. */
[[nodiscard]] bool api_read_password(struct api *api, const char *what, struct str *ret_password,
                                     struct err *e);

/* ── ids ── */

/*
 * The task that is meant: an id, or the last eight characters and more of one.
 *
 * Errors: of the API; NOT_FOUND, CONFLICT where several end so.
 */
[[nodiscard]] bool api_task_id(struct api *api, struct str text, struct str *ret_id, struct err *e);
/* The job of that id or name; the same errors. */
[[nodiscard]] bool api_job_id(struct api *api, struct str text, struct str *ret_id, struct err *e);
/* The user of that id or email. */
[[nodiscard]] bool api_user_id(struct api *api, struct str text, struct str *ret_id, struct err *e);

/* ── reading answers ── */

/* The text of a member; empty where it is null or absent. Of a path, "job.name". */
[[nodiscard]] struct str api_text(const struct json_value *v, const char *path);
[[nodiscard]] const struct json_value *api_member(const struct json_value *v, const char *path);
/* False where it is null. */
[[nodiscard]] bool api_time(const struct json_value *v, const char *path, int64_t *ret_at_us);
[[nodiscard]] bool api_is_true(const struct json_value *v, const char *path);

/* ── telling ── */

/* "run once", of a member that is an enum's value. */
[[nodiscard]] struct str api_enum(struct api *api, const struct json_value *v, const char *path);
/* "5/s", of a number; empty where it is null. */
[[nodiscard]] struct str api_with_unit(struct api *api, const struct json_value *v,
                                       const char *path, const char *unit);
/* "1m 12s", of a member that holds seconds; empty where it is null. */
[[nodiscard]] struct str api_span(struct api *api, const struct json_value *v, const char *path);
/* "5m ago", of a member that holds a time; empty where it is null. */
[[nodiscard]] struct str api_when(struct api *api, const struct json_value *v, const char *path);
/* The value as one line of JSON. */
void api_put_json(struct api *api, const struct json_value *v);
void api_put_table(struct api *api, const struct table *t);
/* The value as JSON text; empty for NULL. */
[[nodiscard]] struct str api_json_text(struct api *api, const struct json_value *v);
/* Prints what was written till now. False: standard output is gone. */
[[nodiscard]] bool api_flush(struct api *api);

/* ── lists ── */

/* Where a list that comes in pages is: there are more of them as long as something is left. */
struct api_pages {
    int64_t left; /* entries; --limit at first, 0 at the end of the list */
    int64_t page_max;
    struct str after; /* the cursor of the last entry; empty: none was had */
};
[[nodiscard]] struct api_pages api_pages_of(const struct api *api, int64_t page_max);
/* The variables "first" and, but for the first page, "after". */
void api_put_page(struct api *api, const struct api_pages *pages);
/* The nodes of a connection, which is past them then. */
[[nodiscard]] const struct json_value *api_take_page(struct api_pages *pages,
                                                     const struct json_value *connection);

/* A row of a table of such things. */
typedef void api_add_fn(struct api *api, struct table *t, const struct json_value *v);
/* The row, or with --json a line. */
void api_put_item(struct api *api, struct table *t, const struct json_value *v, api_add_fn *add);
void api_put_items(struct api *api, struct table *t, const struct json_value *list,
                   api_add_fn *add);
/* The table, or one line that says that there is nothing; with --json neither. */
void api_put_list_of(struct api *api, const struct table *t, const char *nothing);

/* Names and values below each other: what `show` commands tell. */
[[nodiscard]] struct table *api_facts(struct api *api);
/* Nothing where the text is empty. */
void api_fact(struct table *facts, const char *name, struct str text, enum table_style style);
/* The time and how long ago that is. */
void api_fact_time(struct api *api, struct table *facts, const char *name,
                   const struct json_value *v, const char *path);
/* Never cut: whoever asks for one thing wants all of it. */
void api_put_facts(struct api *api, const struct table *facts);
