/*
 * entities_pass: reads ENTITIES_FILE (entities.def where none is named) once with the macros that
 * the includer has defined, the others empty, and leaves none of them defined. No guard: it is made
 * to be included again and again.
 */
#ifndef ENUM
#define ENUM(type, PREFIX)
#endif
#ifndef LABEL
#define LABEL(PREFIX, NAME, text)
#endif
#ifndef END_ENUM
#define END_ENUM(type, PREFIX)
#endif
#ifndef TABLE
#define TABLE(table, rights)
#endif
#ifndef COLUMN
#define COLUMN(table, column, type, null, default_sql)
#endif
#ifndef ENUM_COLUMN
#define ENUM_COLUMN(table, column, type, null, default_sql)
#endif
#ifndef ENUM_ARRAY_COLUMN
#define ENUM_ARRAY_COLUMN(table, column, type, null, default_sql)
#endif
#ifndef PRIMARY
#define PRIMARY(table, columns)
#endif
#ifndef CHECK
#define CHECK(table, what, expression)
#endif
#ifndef FOREIGN
#define FOREIGN(table, column, target, action)
#endif
#ifndef UNIQUE
#define UNIQUE(table, what, sql)
#endif
#ifndef INDEX
#define INDEX(table, what, sql)
#endif
#ifndef PARTITIONED
#define PARTITIONED(table, by)
#endif
#ifndef STORAGE
#define STORAGE(table, options)
#endif
#ifndef END_TABLE
#define END_TABLE(table)
#endif
#ifndef FUNCTION
#define FUNCTION(function, rights, sql)
#endif

#ifdef ENTITIES_FILE
#include ENTITIES_FILE
#else
#include "schema/entities.def"
#endif

#undef ENUM
#undef LABEL
#undef END_ENUM
#undef TABLE
#undef COLUMN
#undef ENUM_COLUMN
#undef ENUM_ARRAY_COLUMN
#undef PRIMARY
#undef CHECK
#undef FOREIGN
#undef UNIQUE
#undef INDEX
#undef PARTITIONED
#undef STORAGE
#undef END_TABLE
#undef FUNCTION
