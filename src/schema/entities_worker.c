#include "schema/entities.h"

#define ENTITIES_FILE "schema/entities_worker.def"

enum { NOT_NULL = false, NULLABLE = true };

#include "schema/entities_tables.h"

static const struct schema_function functions[] = {
#define FUNCTION(function, grants, text)                                                           \
    { .name = STR(#function), .sql = STR(text), .rights = STR(grants) },
#include "schema/entities_pass.h"
};

const struct schema_set schema_worker = {
    .name = STR("worker"),
    .role = STR("windlass_worker"),
    .tables = tables,
    .table_count = countof(tables),
    .functions = functions,
    .function_count = countof(functions),
};
