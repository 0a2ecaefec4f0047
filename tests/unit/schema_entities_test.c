#include "schema/entities.h"

#include "test.h"

static void enum_constants_count_along_with_the_labels(void **state)
{
    (void)state;
    const struct schema_enum *status = &schema_public.enums[ENUM_task_status];
    assert_str(status->name, "task_status");
    assert_int_equal(status->label_count, TASK_STATUS_COUNT);
    assert_str(status->labels[TASK_STATUS_IN_PROGRESS].text, "in-progress");
    assert_str(status->labels[TASK_STATUS_IN_PROGRESS].name, "IN_PROGRESS");
    assert_int_equal(schema_label_of(status, STR("failed")), TASK_STATUS_FAILED);
    assert_int_equal(schema_label_of(status, STR("FAILED")), -1);
}

static void column_constants_count_along_with_the_columns(void **state)
{
    (void)state;
    const struct schema_table *users = &schema_public.tables[TABLE_users];
    assert_ptr_equal(schema_find_table(&schema_public, STR("users")), users);
    assert_null(schema_find_table(&schema_public, STR("user")));
    assert_int_equal(users->column_count, COL_users_COUNT);
    assert_str(users->columns[COL_users_email].name, "email");
    assert_int_equal(schema_column_of(users, STR("role")), COL_users_role);
    assert_int_equal(schema_column_of(users, STR("rôle")), -1);
    assert_ptr_equal(users->columns[COL_users_role].enumeration,
                     &schema_public.enums[ENUM_user_role]);
}

static void types_are_named_as_postgresql_names_them(void **state)
{
    (void)state;
    char buffer[SCHEMA_TYPE_NAME_MAX];
    const struct schema_table *tasks = &schema_public.tables[TABLE_tasks];
    const struct schema_table *tokens = &schema_public.tables[TABLE_api_tokens];
    assert_str(schema_column_type(&tasks->columns[COL_tasks_run_at], buffer),
               "timestamp with time zone");
    assert_str(schema_column_type(&tasks->columns[COL_tasks_status], buffer), "task_status");
    assert_str(schema_column_type(&tokens->columns[COL_api_tokens_scopes], buffer),
               "token_scope[]");
    assert_str(schema_column_type(&tokens->columns[COL_api_tokens_task_types], buffer), "text[]");
    for (int type = 0; type < SCHEMA_ENUM; type++) {
        struct schema_column column = { .type = (enum schema_type)type };
        assert_true(schema_column_type(&column, buffer).len > 0);
    }
}

/* PostgreSQL cuts longer names silently, and synchronise would then never find them again. */
static void names_fit_into_an_identifier(void **state)
{
    (void)state;
    for (size_t t = 0; t < schema_public.table_count; t++) {
        const struct schema_table *table = &schema_public.tables[t];
        for (size_t i = 0; i < table->constraint_count; i++)
            assert_in_range(table->constraints[i].name.len, 1, 63);
        for (size_t i = 0; i < table->index_count; i++)
            assert_in_range(table->indexes[i].name.len, 1, 63);
        assert_int_equal(table->constraints[0].kind, SCHEMA_PRIMARY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enum_constants_count_along_with_the_labels),
        cmocka_unit_test(column_constants_count_along_with_the_columns),
        cmocka_unit_test(types_are_named_as_postgresql_names_them),
        cmocka_unit_test(names_fit_into_an_identifier),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
