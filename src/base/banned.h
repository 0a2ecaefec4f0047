/*
 * banned: calls whose use is a bug here, because they do not know the size of what they write, hide
 * their errors, or keep hidden shared state. The technique is git's: a use does not compile.
 */
#pragma once

#define BANNED_(name) use_of_banned_function_##name

#undef strcpy
#define strcpy(dst, src) BANNED_(strcpy)
#undef strcat
#define strcat(dst, src) BANNED_(strcat)
#undef strncpy
#define strncpy(dst, src, n) BANNED_(strncpy)
#undef sprintf
#define sprintf(...) BANNED_(sprintf)
#undef strtok
#define strtok(s, delim) BANNED_(strtok)
#undef gets
#define gets(s) BANNED_(gets)
#undef atoi
#define atoi(s) BANNED_(atoi)
#undef localtime
#define localtime(t) BANNED_(localtime)
#undef gmtime
#define gmtime(t) BANNED_(gmtime)
#undef system
#define system(command) BANNED_(system)
