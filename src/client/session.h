/*
 * session: the tokens of `windlass login`, one for each installation, in a file of mode 0600. A
 * token is given only to the URL that it came from.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"

/*
 * Where they are kept: in windlass/sessions.json below $XDG_CONFIG_HOME, else below ~/.config.
 *
 * Errors: NOT_FOUND where there is neither.
 */
[[nodiscard]] bool session_path(struct arena *a, const char **ret_path, struct err *e);

/*
 * The token for that URL, in the arena; empty where there is none, or no file.
 *
 * Errors: DENIED where others may read the file, INVALID where it holds something else.
 */
[[nodiscard]] bool session_load(struct arena *a, const char *path, struct str url,
                                struct str *ret_token, struct err *e);
/* Keeps it, or with an empty token forgets it. The file is replaced as a whole, its folder made.
 * Errors: as session_load; DENIED for what cannot be written. */
[[nodiscard]] bool session_store(const char *path, struct str url, struct str token, struct err *e);
