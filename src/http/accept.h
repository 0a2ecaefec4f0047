/* accept: what a client takes: lists with q-values. Pure. Source: RFC 9110 sections 12.4.2, 12.5.
 */
#pragma once
#include "base/str.h"

/* The weight of `token` in thousandths: that of its own entry, else of "*", else -1. */
[[nodiscard]] int http_accept_weight(struct str list, struct str token);
/* True when gzip is listed with a weight above 0; no field at all means no. */
[[nodiscard]] bool http_accepts_gzip(struct str accept_encoding);
/*
 * The index of the media type to answer with: the one the client likes best, among equals the
 * first; -1 when it takes none. An empty list takes all. Offers are "type/subtype".
 */
[[nodiscard]] int http_accept_media(struct str accept, const struct str *offers, size_t count);

/* "Type/Subtype; name=value; name="quoted"". */
struct http_media_type {
    struct str essence; /* "application/json", as it was written */
    struct str parameters;
};
/* The next entry of `*rest` that names `type` itself, with a weight above 0; false at the end. */
[[nodiscard]] bool http_accept_next(struct str *rest, struct str type,
                                    struct http_media_type *ret_entry);
[[nodiscard]] bool http_media_type_parse(struct str text, struct http_media_type *ret_type);
/* A parameter's value without its quotes (escapes stay); false when absent. */
[[nodiscard]] bool http_media_parameter(const struct http_media_type *type, struct str name,
                                        struct str *ret_value);
