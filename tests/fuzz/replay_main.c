/* SPDX-License-Identifier: MIT */
/* replay_main - run a fuzz harness over every file of a corpus folder. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
    static uint8_t data[1 << 20];
    char path[4096];
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    n = fread(data, 1, sizeof(data), f);
    fclose(f);
    LLVMFuzzerTestOneInput(data, n);
    return 0;
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    unsigned n = 0;
    int failed = 0;
    DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;

    if (!dir) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            failed |= replay(argv[1], entry->d_name);
            n++;
        }
    }
    closedir(dir);
    printf("%u inputs replayed\n", n);
    return failed || n == 0; /* an empty corpus checks nothing */
}
