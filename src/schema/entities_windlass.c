#include "schema/entities.h"

static const struct schema_function functions[] = {
#define ENTITIES_FILE "schema/entities_windlass.def"
#define FUNCTION(function, grants, text)                                                           \
    { .name = STR(#function), .sql = STR(text), .rights = STR(grants) },
#include "schema/entities_pass.h"
};

const struct schema_set schema_windlass = {
    .name = STR("windlass"),
    .role = STR("windlass_worker"), /* which checks it, and may not call it */
    .functions = functions,
    .function_count = countof(functions),
};
