/* SPDX-License-Identifier: MIT */
/* terminal.h - the session on a terminal, until a key or a signal ends it. */
#ifndef ZSTOP_TERMINAL_H
#define ZSTOP_TERMINAL_H

#include "session.h"

/* False: this is no terminal that can be used. */
bool terminal_run(struct session *s, int interval_ms);

#endif /* ZSTOP_TERMINAL_H */
