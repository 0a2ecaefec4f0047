#include "gateway/web_files.h"

#include "test.h"

static const struct http_file *find(struct str path)
{
    for (size_t i = 0; i < web_files_count; i++)
        if (str_eq(str_of_c(web_files[i].path), path))
            return &web_files[i];
    return NULL;
}

static struct str text_of(const struct http_file *file)
{
    return str_of((const char *)file->bytes, file->size_bytes);
}

static bool contains(struct str text, struct str part)
{
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (str_starts_with(str_from(text, i), part))
            return true;
    return false;
}

static void are_sorted_by_path(void **state)
{
    (void)state;
    assert_true(web_files_count > 0);
    for (size_t i = 1; i < web_files_count; i++)
        assert_true(strcmp(web_files[i - 1].path, web_files[i].path) < 0);
}

static void hold_the_pages_and_a_name_for_each_content(void **state)
{
    (void)state;
    static const char *const pages[] = { "/", "/login", "/setup" };
    for (size_t i = 0; i < countof(pages); i++) {
        const struct http_file *page = find(str_of_c(pages[i]));
        assert_non_null(page);
        assert_str(str_of_c(page->content_type), "text/html; charset=utf-8");
        assert_false(page->is_immutable);
        assert_non_null(page->gzip_bytes);
        assert_true(page->gzip_size_bytes < page->size_bytes);
    }
    for (size_t i = 0; i < web_files_count; i++)
        assert_int_equal(web_files[i].is_immutable,
                         str_starts_with(str_of_c(web_files[i].path), STR("/assets/")));
}

/* A page that named an asset by its source's name, or held a script, would break in the browser. */
static void refer_only_to_files_that_are_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < web_files_count; i++) {
        struct str text = text_of(&web_files[i]);
        assert_false(contains(text, STR("<script>")));
        assert_false(contains(text, STR("<style")));
        assert_false(contains(text, STR(" style=\"")));
        for (size_t at = 0; at < text.len; at++) {
            struct str rest = str_from(text, at);
            if (!str_starts_with(rest, STR("\"assets/")))
                continue;
            size_t end = 1;
            while (end < rest.len && rest.ptr[end] != '"')
                end++;
            char path[128];
            snprintf(path, sizeof path, "/%.*s", (int)(end - 1), rest.ptr + 1);
            if (!find(str_of_c(path)))
                fail_msg("%s refers to %s, which is not embedded", web_files[i].path, path);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_sorted_by_path),
        cmocka_unit_test(hold_the_pages_and_a_name_for_each_content),
        cmocka_unit_test(refer_only_to_files_that_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
