/* print: syntax trees as canonical text, the way graphql-js prints them. */
#pragma once
#include "base/buf.h"
#include "gql/ast_priv.h"

void print_document(struct buf *out, const struct ast_document *doc);
void print_value(struct buf *out, const struct ast_value *v);
/* A string as GraphQL writes it, quoted on one line. */
void print_string(struct buf *out, struct str s);
/* `"""` around it, on lines of its own where that is easier to read. */
void print_block_string(struct buf *out, struct str s, unsigned indent);
struct input_def;
/* The default of an argument or input field, as GraphQL text. */
struct str default_text(struct arena *arena, const struct input_def *d);
struct str ast_value_text(struct arena *arena, const struct ast_value *v);
