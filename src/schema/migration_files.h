/* migration_files: the files of src/schema/migrations, which tools/embed_migrations puts here. */
#pragma once
#include "schema/migration.h"

struct migration_folder {
    struct str schema; /* the folder's name is that of the PostgreSQL schema */
    const struct migration_source *sources;
    size_t count;
};

extern const struct migration_folder migration_folders[];
extern const size_t migration_folder_count;
