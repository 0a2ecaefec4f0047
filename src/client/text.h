/*
 * text: what strangers wrote, as a terminal may show it: without control characters, and with its
 * width known. Pure. Source: UAX #11 (East Asian Width), as terminals draw it.
 */
#pragma once
#include "base/arena.h"
#include "base/str.h"

/*
 * One line of it: line ends and tabs become spaces, other controls (also those that turn the
 * direction of writing) and broken UTF-8 become U+FFFD. Gives `text` itself where nothing changes.
 */
[[nodiscard]] struct str text_line(struct arena *a, struct str text);

/* The columns that a terminal takes for clean text. */
[[nodiscard]] size_t text_width(struct str text);
/* The first bytes that take at most `width` columns; combining marks stay with their letter. */
[[nodiscard]] struct str text_first_columns(struct str text, size_t width);
