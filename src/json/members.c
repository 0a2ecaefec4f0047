#include "json/members.h"

void json_put_text(struct json_writer *w, const char *key, struct str text)
{
    json_key_plain(w, str_of_c(key));
    json_write_string(w, text);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t value)
{
    json_key_plain(w, str_of_c(key));
    json_write_i64(w, value);
}

void json_put_number(struct json_writer *w, const char *key, int64_t value)
{
    json_key_plain(w, str_of_c(key));
    json_write_raw(w, STR("\""));
    buf_put_i64(w->out, value);
    buf_put_char(w->out, '"');
}

void json_put_id(struct json_writer *w, const char *key, struct uuid id)
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(id, text);
    json_put_text(w, key, str_of(text, UUID_TEXT_LEN));
}

void json_put_null(struct json_writer *w, const char *key)
{
    json_key_plain(w, str_of_c(key));
    json_write_null(w);
}

void json_put_time(struct json_writer *w, const char *key, int64_t us)
{
    if (us == 0)
        json_put_null(w, key);
    else
        json_put_i64(w, key, us);
}

void json_put_maybe_raw(struct json_writer *w, const char *key, bool has_it, struct str json)
{
    json_key_plain(w, str_of_c(key));
    if (has_it)
        json_write_raw(w, json);
    else
        json_write_null(w);
}

void json_put_maybe_text(struct json_writer *w, const char *key, bool has_it, struct str text)
{
    if (has_it)
        json_put_text(w, key, text);
    else
        json_put_null(w, key);
}

void json_put_maybe_id(struct json_writer *w, const char *key, bool has_it, struct uuid id)
{
    if (has_it)
        json_put_id(w, key, id);
    else
        json_put_null(w, key);
}
