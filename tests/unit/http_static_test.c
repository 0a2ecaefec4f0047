#include "http/static.h"

#include <unistd.h>

#include "support/http_fixture.h"
#include "test.h"

#define BYTES(literal) (const unsigned char *)("" literal), sizeof(literal) - 1

/* Sorted by path. */
static const struct http_file files[] = {
    { "/assets/app.3f2a.js", "text/javascript", BYTES("let a = 1"), BYTES("\x1f\x8bgz"), "e1",
      true },
    { "/index.html", "text/html; charset=utf-8", BYTES("<p>hello"), BYTES("\x1f\x8bhtml"), "e2",
      false },
    { "/logo.png", "image/png", BYTES("\x89PNG"), NULL, 0, "e3", false },
};

static void serve(void *owner, struct http_request *r)
{
    (void)owner;
    const struct http_file *file = http_file_find(files, countof(files), r->path);
    if (file)
        http_file_serve(r, file);
    else
        http_respond_text(r, 404, STR(""));
}

static const struct http_route routes[] = {
    { .path = "/*", .methods = HTTP_METHOD_GET, .fn = serve },
};

static const struct {
    const char *path, *fields;
    int status;
    const char *body, *etag, *coding, *cache, *vary;
} rows[] = {
    { "/index.html", "", 200, "<p>hello", "\"e2\"", "", "no-cache", "Accept-Encoding" },
    { "/assets/app.3f2a.js", "", 200, "let a = 1", "\"e1\"", "",
      "public, max-age=31536000, immutable", "Accept-Encoding" },
    { "/logo.png", "Accept-Encoding: gzip\r\n", 200, "\x89PNG", "\"e3\"", "", "no-cache", "" },
    { "/index.html", "Accept-Encoding: gzip, br\r\n", 200, "\x1f\x8bhtml", "\"e2-gzip\"", "gzip",
      "no-cache", "Accept-Encoding" },
    { "/index.html", "Accept-Encoding: gzip;q=0, *\r\n", 200, "<p>hello", "\"e2\"", "", "no-cache",
      "Accept-Encoding" },
    { "/index.html", "If-None-Match: \"e2\"\r\n", 304, "", "\"e2\"", "", "no-cache",
      "Accept-Encoding" },
    { "/index.html", "If-None-Match: W/\"e2\"\r\n", 304, "", "\"e2\"", "", "no-cache",
      "Accept-Encoding" },
    { "/index.html", "If-None-Match: \"x\", \"e2-gzip\"\r\nAccept-Encoding: gzip\r\n", 304, "",
      "\"e2-gzip\"", "", "no-cache", "Accept-Encoding" },
    { "/index.html", "If-None-Match: \"x\"\r\nIf-None-Match: \"e2\"\r\n", 304, "", "\"e2\"", "",
      "no-cache", "Accept-Encoding" },
    { "/index.html", "If-None-Match: *\r\n", 304, "", "\"e2\"", "", "no-cache", "Accept-Encoding" },
    { "/index.html", "If-None-Match: \"e1\"\r\n", 200, "<p>hello", "\"e2\"", "", "no-cache",
      "Accept-Encoding" },
    { "/index.html", "If-None-Match: e2\r\n", 200, "<p>hello", "\"e2\"", "", "no-cache",
      "Accept-Encoding" },
    { "/index.html", "If-None-Match: \"e2-gzip-x\"\r\n", 200, "<p>hello", "\"e2\"", "", "no-cache",
      "Accept-Encoding" },
    { "/index", "", 404, "Not Found\n", "", "", "", "" },
    { "/index.html2", "", 404, "Not Found\n", "", "", "", "" },
    { "/", "", 404, "Not Found\n", "", "", "", "" },
};

static struct client_answer answer;

static void files_are_served_with_what_the_client_has_and_takes(void **state)
{
    (void)state;
    struct http_fixture f;
    char request[512];
    fixture_start(&f,
                  &(struct http_server_options){ .limits = HTTP_LIMITS_DEFAULT,
                                                 .routes = routes,
                                                 .route_count = countof(routes) },
                  NULL);
    int fd = client_connect(&f);
    for (size_t i = 0; i < countof(rows) * 2; i++) {
        bool is_head = i % 2;
        snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n",
                 is_head ? "HEAD" : "GET", rows[i / 2].path, rows[i / 2].fields);
        client_send_c(fd, request);
        client_read(fd, !is_head, &answer);
        assert_int_equal(answer.status, rows[i / 2].status);
        assert_str(client_field(&answer, "etag"), rows[i / 2].etag);
        assert_str(client_field(&answer, "content-encoding"), rows[i / 2].coding);
        assert_str(client_field(&answer, "cache-control"), rows[i / 2].cache);
        assert_str(client_field(&answer, "vary"), rows[i / 2].vary);
        assert_int_equal(client_field(&answer, "content-length").ptr != NULL,
                         rows[i / 2].status != 304);
        if (!is_head)
            assert_str(answer.body, rows[i / 2].body);
    }
    close(fd);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_served_with_what_the_client_has_and_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
