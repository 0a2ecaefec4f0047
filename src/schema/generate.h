/* generate: writes the migration that leads from the migration files to the entities. */
#pragma once
#include "schema/schema.h"

/*
 * Replays the files of `folder` in a scratch database beside that of `url` (whose role must be
 * allowed to make one), compares, and writes the difference as NNNN_name.sql with its way back;
 * new enum values go into a file of their own before it. What was written is tried forth and back
 * there; where that fails, the report's NOTE says what to edit. The report's DONE names the files;
 * `*ret_file_count` is 0 when nothing differs.
 *
 * Errors:  INVALID for the name, the files and the folder; what schema_prepare gives.
 */
[[nodiscard]] bool generate_migration(struct str url, const struct schema_options *options,
                                      struct str name, const char *folder, size_t *ret_file_count,
                                      struct err *e);
