/* SPDX-License-Identifier: MIT */
/* files.h - the paths of the command line, read one after the other. */
#ifndef ZSREPORT_FILES_H
#define ZSREPORT_FILES_H

#include "formats.h"

/* Read all; false after a message. `paths` ends with NULL. */
bool files_read(struct intake *in, char *const *paths);

#endif /* ZSREPORT_FILES_H */
