#include "auth/role.h"

static const char *const role_names[] = {
    [ROLE_VIEWER] = "VIEWER", [ROLE_OPERATOR] = "OPERATOR", [ROLE_ADMIN] = "ADMIN"
};

const char *role_name(enum role role)
{
    return role_names[role];
}

bool role_parse(struct str name, enum role *ret_role)
{
    for (size_t i = 0; i < countof(role_names); i++) {
        if (str_eq_nocase(name, str_of_c(role_names[i]))) {
            *ret_role = (enum role)i;
            return true;
        }
    }
    return false;
}

const char *scope_name(enum scope scope)
{
    return scope == SCOPE_API ? "API" : "LEASE";
}

bool scope_parse(struct str name, enum scope *ret_scope)
{
    bool is_api = str_eq_nocase(name, STR("API"));
    if (!is_api && !str_eq_nocase(name, STR("LEASE")))
        return false;
    *ret_scope = is_api ? SCOPE_API : SCOPE_LEASE;
    return true;
}

struct grant grant_of_session(enum role user)
{
    return grant_now((struct grant){ .role = user, .scopes = SCOPE_API | SCOPE_LEASE }, user);
}

bool grant_check(struct grant maker, struct grant wanted, struct err *e)
{
    if (wanted.scopes == 0)
        return err_set(e, ERR_INVALID, "a token needs at least one scope");
    if (wanted.role > maker.role)
        return err_set(e, ERR_DENIED, "a token of role %s is more than your %s",
                       role_name(wanted.role), role_name(maker.role));
    unsigned missing = wanted.scopes & ~maker.scopes;
    if (missing)
        return err_set(e, ERR_DENIED, "scope %s is more than your credential has",
                       scope_name(missing & SCOPE_API ? SCOPE_API : SCOPE_LEASE));
    if ((wanted.scopes & SCOPE_LEASE) && wanted.role < ROLE_OPERATOR)
        return err_set(e, ERR_INVALID, "scope LEASE needs role OPERATOR");
    return true;
}

struct grant grant_now(struct grant token, enum role owner)
{
    struct grant now = { .role = min_of(token.role, owner), .scopes = token.scopes };
    if (now.role < ROLE_OPERATOR)
        now.scopes &= ~(unsigned)SCOPE_LEASE;
    return now;
}
