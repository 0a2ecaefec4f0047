#include "schema/entities.h"

#include "schema/entities_tables.h"

#define ENUM(type, PREFIX) static const struct schema_label type##_labels[] = {
#define LABEL(PREFIX, NAME, text) { STR(text), STR(#NAME) },
#define END_ENUM(type, PREFIX)                                                                     \
    }                                                                                              \
    ;
#include "schema/entities_pass.h"

const struct schema_enum schema_public_enums[] = {
#define ENUM(type, PREFIX) { STR(#type), type##_labels, countof(type##_labels) },
#include "schema/entities_pass.h"
};

static const struct schema_function functions[] = {
#define FUNCTION(function, grants, text)                                                           \
    { .name = STR(#function), .sql = STR(text), .rights = STR(grants) },
#include "schema/entities_pass.h"
};

const struct schema_set schema_public = {
    .name = STR("public"),
    .role = STR("windlass_gateway"),
    .enums = schema_public_enums,
    .enum_count = countof(schema_public_enums),
    .tables = tables,
    .table_count = countof(tables),
    .functions = functions,
    .function_count = countof(functions),
};

static const struct str type_names[SCHEMA_TYPE_COUNT] = {
    [SCHEMA_BOOL] = STR("boolean"),
    [SCHEMA_INT2] = STR("smallint"),
    [SCHEMA_INT4] = STR("integer"),
    [SCHEMA_INT8] = STR("bigint"),
    [SCHEMA_FLOAT8] = STR("double precision"),
    [SCHEMA_TEXT] = STR("text"),
    [SCHEMA_BYTEA] = STR("bytea"),
    [SCHEMA_UUID] = STR("uuid"),
    [SCHEMA_JSON] = STR("json"),
    [SCHEMA_JSONB] = STR("jsonb"),
    [SCHEMA_TIMESTAMPTZ] = STR("timestamp with time zone"),
    [SCHEMA_TEXT_ARRAY] = STR("text[]"),
    [SCHEMA_UUID_ARRAY] = STR("uuid[]"),
    [SCHEMA_INT8_ARRAY] = STR("bigint[]"),
};

struct str schema_column_type(const struct schema_column *column, char buffer[SCHEMA_TYPE_NAME_MAX])
{
    if (!column->enumeration)
        return type_names[column->type];
    if (column->type == SCHEMA_ENUM)
        return column->enumeration->name;
    int len = snprintf(buffer, SCHEMA_TYPE_NAME_MAX, "%.*s[]", STR_FMT(column->enumeration->name));
    assert(len > 0 && len < SCHEMA_TYPE_NAME_MAX);
    return str_of(buffer, (size_t)len);
}

const struct schema_table *schema_find_table(const struct schema_set *set, struct str name)
{
    for (size_t i = 0; i < set->table_count; i++)
        if (str_eq(set->tables[i].name, name))
            return &set->tables[i];
    return NULL;
}

int schema_label_of(const struct schema_enum *enumeration, struct str text)
{
    for (size_t i = 0; i < enumeration->label_count; i++)
        if (str_eq(enumeration->labels[i].text, text))
            return (int)i;
    return -1;
}

int schema_column_of(const struct schema_table *table, struct str name)
{
    for (size_t i = 0; i < table->column_count; i++)
        if (str_eq(table->columns[i].name, name))
            return (int)i;
    return -1;
}
