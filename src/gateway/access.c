#include "gateway/access.h"

#include "gateway/problem.h"
#include "gateway/request.h"

uint32_t access_plan_role(const struct credential *c)
{
    return c == NULL ? 0 : (uint32_t)c->grant.role + 1;
}

bool access_is_self(const struct credential *c, struct uuid user_id)
{
    return c != NULL && uuid_eq(c->owner.user_id, user_id);
}

bool access_has_role(const struct credential *c, enum role least)
{
    return c != NULL && c->grant.role >= least;
}

/* The user that SELF is about is named by the field's first argument. */
static bool names_self(const struct credential *c, const struct gql_access *access)
{
    struct uuid id;
    const struct gql_value *first = access->args;
    return first != NULL && first->kind == GQL_TEXT && uuid_parse(first->text, &id) &&
           access_is_self(c, id);
}

const struct gql_denial *access_authorize(void *ctx, const struct gql_access *access)
{
    static const struct gql_denial nobody = { PROBLEM_UNAUTHENTICATED, "sign in first" };
    static const struct gql_denial not_self = { PROBLEM_FORBIDDEN,
                                                "only the user and an ADMIN may do this" };
    static const struct gql_denial too_low[] = {
        [ROLE_VIEWER] = { PROBLEM_FORBIDDEN, "needs the role VIEWER" },
        [ROLE_OPERATOR] = { PROBLEM_FORBIDDEN, "needs the role OPERATOR" },
        [ROLE_ADMIN] = { PROBLEM_FORBIDDEN, "needs the role ADMIN" },
    };
    static const struct gql_denial too_large = {
        PROBLEM_INPUT, "the body is longer than body-limit, which only createTasks alone may be"
    };
    const struct request *r = ctx;
    const struct credential *c = r->credential;
    enum role least = ROLE_ADMIN; /* a role that this program does not know needs the highest */
    if (r->is_large && access->parent == NULL && str_is_empty(access->input_field) &&
        !str_eq(access->field->name, STR("createTasks")))
        return &too_large;
    if (str_eq(access->role, STR("ANYONE")))
        return NULL;
    if (c == NULL)
        return &nobody;
    if (str_eq(access->role, STR("OWN")))
        return NULL;
    if (str_eq(access->role, STR("SELF")))
        return access_has_role(c, ROLE_ADMIN) || names_self(c, access) ? NULL : &not_self;
    if (!role_parse(access->role, &least))
        least = ROLE_ADMIN;
    return access_has_role(c, least) ? NULL : &too_low[least];
}
