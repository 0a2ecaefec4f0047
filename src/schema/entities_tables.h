/*
 * entities_tables: the plain structs of the tables that ENTITIES_FILE (or entities.def) tells, for
 * the .c file of each set: `tables`. It has defined NOT_NULL, NULLABLE and, where a column is of an
 * enum, `enums`.
 */
#define TABLE(table, rights) static const struct schema_column table##_columns[] = {
#define COLUMN(table, column, type, null, default_sql)                                             \
    { STR(#column), SCHEMA_##type, NULL, null, STR(default_sql) },
#define ENUM_COLUMN(table, column, type, null, default_sql)                                        \
    { STR(#column), SCHEMA_ENUM, &enums[ENUM_##type], null, STR(default_sql) },
#define ENUM_ARRAY_COLUMN(table, column, type, null, default_sql)                                  \
    { STR(#column), SCHEMA_ENUM_ARRAY, &enums[ENUM_##type], null, STR(default_sql) },
#define END_TABLE(table)                                                                           \
    }                                                                                              \
    ;
#include "schema/entities_pass.h"

#define TABLE(table, rights) static const struct schema_constraint table##_constraints[] = {
#define PRIMARY(table, columns)                                                                    \
    { STR(#table "_pkey"), SCHEMA_PRIMARY, STR("PRIMARY KEY (" columns ")") },
#define CHECK(table, what, expression)                                                             \
    { STR(#table "_" #what "_ck"), SCHEMA_CHECK, STR("CHECK (" expression ")") },
#define FOREIGN(table, column, target, action)                                                     \
    { STR(#table "_" #column "_fk"), SCHEMA_FOREIGN,                                               \
      STR("FOREIGN KEY (" #column ") REFERENCES " target " " action) },
#define END_TABLE(table)                                                                           \
    }                                                                                              \
    ;
#include "schema/entities_pass.h"

/* The empty entry at the end is not counted: a table may have no index of its own. */
#define TABLE(table, rights) static const struct schema_index table##_indexes[] = {
#define UNIQUE(table, what, sql) { STR(#table "_" #what "_uq"), true, STR(sql) },
#define INDEX(table, what, sql) { STR(#table "_" #what "_ix"), false, STR(sql) },
#define END_TABLE(table)                                                                           \
    {                                                                                              \
    }                                                                                              \
    }                                                                                              \
    ;
#include "schema/entities_pass.h"

static const struct schema_table tables[] = {
#define TABLE(table, grants)                                                                       \
    {                                                                                              \
        .name = STR(#table), .columns = table##_columns, .column_count = countof(table##_columns), \
        .constraints = table##_constraints, .constraint_count = countof(table##_constraints),      \
        .indexes = table##_indexes, .index_count = countof(table##_indexes) - 1,                   \
        .rights = STR(grants),
#define PARTITIONED(table, by) .partition_by = STR(by),
#define STORAGE(table, parameters) .options = STR(parameters),
#define END_TABLE(table)                                                                           \
    }                                                                                              \
    ,
#include "schema/entities_pass.h"
};
