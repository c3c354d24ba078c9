/* replay_main: feeds each file of a corpus folder to a fuzz target, in the order of their names, so that what
 * a fuzzer once found is an ordinary test. Usage: fuzz.NAME FOLDER|FILE... Fails when there is nothing to
 * replay. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed;

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    struct stat about;
    int failed = fstat(fileno(file), &about) != 0;
    size_t size = failed ? 0 : (size_t)about.st_size;
    uint8_t *data = malloc(size == 0 ? 1 : size); /* Exact, so that a sanitizer sees one byte too far. */
    if (data == NULL || fread(data, 1, size, file) != size) failed = 1;
    if (failed) {
        (void)fprintf(stderr, "%s: can't be read\n", path);
    } else {
        (void)LLVMFuzzerTestOneInput(data, size);
        replayed++;
    }
    free(data);
    (void)fclose(file);
    return failed;
}

static int is_shown(const struct dirent *item)
{
    return item->d_name[0] != '.';
}

static int replay_folder(const char *folder)
{
    struct dirent **items = NULL;
    int count = scandir(folder, &items, is_shown, alphasort);
    if (count < 0) {
        perror(folder);
        return 1;
    }
    int failed = 0;
    for (int i = 0; i < count; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", folder, items[i]->d_name);
        failed |= replay_file(path);
        free(items[i]);
    }
    free(items);
    return failed;
}

int main(int count, char **arguments)
{
    int failed = 0;
    for (int i = 1; i < count; i++) {
        struct stat about;
        int is_folder = stat(arguments[i], &about) == 0 && S_ISDIR(about.st_mode);
        failed |= is_folder ? replay_folder(arguments[i]) : replay_file(arguments[i]);
    }
    (void)printf("%u inputs replayed\n", replayed);
    return failed || replayed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
