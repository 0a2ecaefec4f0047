/*
 * trusted: the documents of a manifest, which a build of the clients has written. Two forms are
 * read: `{"ID": "text", …}` as Relay and graphql-codegen write it, and the operation manifest of
 * Apollo, `{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id",
 * "body", "name", "type"}, …]}`. Read only once it is loaded. Source: GraphQL over HTTP, appendix
 * A.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct trusted;

enum { TRUSTED_FILE_BYTES_MAX = 64 << 20 };

/*
 * `own` is a manifest of the first form that the program brings itself; it comes first.
 * Errors: INVALID, naming the file and the place in it: not readable, no JSON, neither form, no
 * document in it, one id twice with different texts.
 */
[[nodiscard]] bool trusted_load(const char *path, struct str own, struct trusted **ret_trusted,
                                struct err *e);
void trusted_destroy(struct trusted *t); /* accepts NULL */
DEFINE_SCOPED(trusted);

/* By the manifest's own id, or by "sha256:" and the text's hash. False where there is none. */
[[nodiscard]] bool trusted_find(const struct trusted *t, struct str id, struct str *ret_text);
/* Whether exactly this text is in it. */
[[nodiscard]] bool trusted_has(const struct trusted *t, struct str text);

[[nodiscard]] size_t trusted_count(const struct trusted *t);
/* Our own, then the file's, in their order. Texts live as long as `t`. */
void trusted_at(const struct trusted *t, size_t i, struct str *ret_id, struct str *ret_text);
