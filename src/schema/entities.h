/*
 * entities: what the tables are, as plain structs; entities.def and entities_worker.def say it,
 * once. Here are the column names and types that src/store reads rows by, and the C enums of
 * tables, columns and labels. `schema_public.tables[TABLE_users].columns[COL_users_email]`;
 * generated names keep the case of the column, so that they can be found by searching for it.
 * Source: docs/decisions/0006-entities-once.md.
 */
#pragma once
#include "base/base.h"
#include "base/str.h"

enum schema_type {
    SCHEMA_BOOL,
    SCHEMA_INT2,
    SCHEMA_INT4,
    SCHEMA_INT8,
    SCHEMA_FLOAT8,
    SCHEMA_TEXT,
    SCHEMA_BYTEA,
    SCHEMA_UUID,
    SCHEMA_JSON,
    SCHEMA_JSONB,
    SCHEMA_TIMESTAMPTZ,
    SCHEMA_TEXT_ARRAY,
    SCHEMA_UUID_ARRAY,
    SCHEMA_INT8_ARRAY,
    SCHEMA_ENUM,
    SCHEMA_ENUM_ARRAY,
    SCHEMA_TYPE_COUNT
};

struct schema_label {
    struct str text; /* in PostgreSQL: in-progress */
    struct str name; /* in C and GraphQL: IN_PROGRESS */
};

struct schema_enum {
    struct str name;
    const struct schema_label *labels; /* in PostgreSQL's order; the C enum counts along */
    size_t label_count;
};

struct schema_column {
    struct str name;
    enum schema_type type;
    const struct schema_enum *enumeration; /* of ENUM and ENUM_ARRAY, else NULL */
    bool is_nullable;
    struct str default_sql; /* empty: none */
};

/* CHECK is every other constraint too. */
enum schema_constraint_kind { SCHEMA_PRIMARY, SCHEMA_CHECK, SCHEMA_FOREIGN };

struct schema_constraint {
    struct str name;
    enum schema_constraint_kind kind;
    struct str sql; /* what follows CONSTRAINT name: "CHECK (…)" */
};

struct schema_index {
    struct str name;
    bool is_unique;
    struct str sql; /* what follows USING: "btree (lower(email))" */
};

struct schema_table {
    struct str name;
    const struct schema_column *columns;
    size_t column_count;
    const struct schema_constraint *constraints;
    size_t constraint_count;
    const struct schema_index *indexes;
    size_t index_count;
    struct str partition_by; /* "RANGE (id)"; empty: not partitioned */
    struct str options;      /* storage parameters: "fillfactor=50"; empty: none */
    struct str rights;       /* of the set's role: "SELECT, INSERT" */
};

struct schema_function {
    struct str name;
    struct str sql;    /* what follows CREATE FUNCTION name, from its "(" on */
    struct str rights; /* of the set's role: "EXECUTE", or empty */
    bool is_public;    /* everybody may call it, which PostgreSQL's default is and ours never */
};

/* The tables of one PostgreSQL schema, which one service writes. */
struct schema_set {
    struct str name; /* of the PostgreSQL schema */
    struct str role; /* gets the tables' rights, where it exists */
    const struct schema_enum *enums;
    size_t enum_count;
    const struct schema_table *tables; /* a table stands after those it refers to */
    size_t table_count;
    const struct schema_function *functions;
    size_t function_count;
};

extern const struct schema_set schema_public; /* the gateway's */
extern const struct schema_set schema_worker; /* the worker's; see entities_worker.def */
/* What others may call, kept by the worker; see entities_windlass.def. */
extern const struct schema_set schema_windlass;

/* What PostgreSQL calls the type: "timestamp with time zone", "task_status", "token_scope[]". In
 * the buffer when it must be put together; SCHEMA_TYPE_NAME_MAX fits every name. */
enum { SCHEMA_TYPE_NAME_MAX = 72 };
[[nodiscard]] struct str schema_column_type(const struct schema_column *column,
                                            char buffer[SCHEMA_TYPE_NAME_MAX]);

/* The table of that name; NULL where there is none. */
[[nodiscard]] const struct schema_table *schema_find_table(const struct schema_set *set,
                                                           struct str name);
/* The place of the label or the column of that name; -1 where there is none. */
[[nodiscard]] int schema_label_of(const struct schema_enum *enumeration, struct str text);
[[nodiscard]] int schema_column_of(const struct schema_table *table, struct str name);

/* enum task_status { TASK_STATUS_PENDING, …, TASK_STATUS_COUNT }; */
#define ENUM(type, PREFIX) enum type {
#define LABEL(PREFIX, NAME, text) PREFIX##_##NAME,
#define END_ENUM(type, PREFIX)                                                                     \
    PREFIX##_COUNT                                                                                 \
    }                                                                                              \
    ;
#include "schema/entities_pass.h"

/* enum schema_public_enum { ENUM_user_role, … }; */
enum schema_public_enum {
#define ENUM(type, PREFIX) ENUM_##type,
#include "schema/entities_pass.h"
    ENUM_COUNT
};

/* enum schema_public_table { TABLE_users, … }; */
enum schema_public_table {
#define TABLE(table, rights) TABLE_##table,
#include "schema/entities_pass.h"
    TABLE_COUNT
};

/* enum users_column { COL_users_id, …, COL_users_COUNT }; */
#define TABLE(table, rights)                                                                       \
    enum table##_column                                                                            \
    {
#define COLUMN(table, column, type, null, default_sql) COL_##table##_##column,
#define ENUM_COLUMN(table, column, type, null, default_sql) COL_##table##_##column,
#define ENUM_ARRAY_COLUMN(table, column, type, null, default_sql) COL_##table##_##column,
#define END_TABLE(table)                                                                           \
    COL_##table##_COUNT                                                                            \
    }                                                                                              \
    ;
#include "schema/entities_pass.h"
