/* text: PostgreSQL's enum labels and ours. */
#pragma once
#include "schema/entities.h"

static inline struct str text_of_role(enum user_role role)
{
    return schema_public.enums[ENUM_user_role].labels[role].text;
}

/* The database's check keeps other labels out; one would be a schema of another version. */
static inline enum user_role text_role(struct str text)
{
    int role = schema_label_of(&schema_public.enums[ENUM_user_role], text);
    assert(role >= 0);
    return (enum user_role)role;
}
