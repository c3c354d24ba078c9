/* slice_project: `slice new` and `slice build`. */
#include "cli/slice_tool.h"
#include "cli/templates.h"
#include "runtime/base/check.h"
#include "runtime/base/memory.h"
#include "runtime/os/child.h"
#include "runtime/os/file.h"
#include "runtime/os/path.h"
#include "wire/maven/coordinate.h"

#include <stdio.h>
#include <string.h>

enum { PART_MAX = 120, PATH_SIZE = 4096 };

struct project {
    char group[PART_MAX];
    char name[PART_MAX];
    char version[PART_MAX];
    char plain_version[PART_MAX]; /* The numbers at its start: CMake takes no others. */
    char folder[PATH_SIZE];
};

/* --- the name ------------------------------------------------------------------------------------------- */

static enum status bad_name(const char *text, const char *why, struct error *error)
{
    enum status status = error_set(error, STATUS_INVALID, "\"%.100s\" is no name for a slice: %s", text, why);
    error_hint(error, "aether slice new org.example:hello");
    return status;
}

static void derive(struct project *project)
{
    size_t numbers = strspn(project->version, "0123456789.");
    (void)snprintf(project->plain_version, sizeof project->plain_version, "%.*s", (int)numbers,
                   project->version);
    if (numbers == 0) (void)text_copy(project->plain_version, sizeof project->plain_version, "1.0");
}

/* [GROUP:]NAME[:VERSION]: two parts are a group and a name, or a name and a version if the second starts with
 * a digit. */
static enum status read_name(const char *text, struct project *project, struct error *error)
{
    char parts[3][PART_MAX] = { "", "", "" };
    int count = 0;
    for (const char *at = text; count < 3; count++) {
        size_t length = strcspn(at, ":");
        if (length >= PART_MAX) return bad_name(text, "it is too long", error);
        memcpy(parts[count], at, length);
        parts[count][length] = '\0';
        at += length;
        if (*at++ == '\0') break;
        if (count == 2) return bad_name(text, "too many parts", error);
    }
    bool has_version = count == 2 || (count == 1 && parts[1][0] >= '0' && parts[1][0] <= '9');
    bool has_group = count == 2 || (count == 1 && !has_version);
    (void)text_copy(project->group, sizeof project->group, has_group ? parts[0] : "org.example");
    (void)text_copy(project->name, sizeof project->name, parts[has_group ? 1 : 0]);
    (void)text_copy(project->version, sizeof project->version, has_version ? parts[count] : "1.0.0");
    if (!coordinate_is_good(project->group, COORDINATE_GROUP) ||
        !coordinate_is_good(project->name, COORDINATE_ARTIFACT) ||
        !coordinate_is_good(project->version, COORDINATE_VERSION))
        return bad_name(text, "letters, digits, and . - _ between them; at most 63 of them", error);
    if (strcmp(project->version, "LATEST") == 0 || strcmp(project->version, "RELEASE") == 0)
        return bad_name(text, "LATEST and RELEASE mean whatever a repository's newest version is", error);
    if (project->name[0] >= '0' && project->name[0] <= '9')
        return bad_name(text, "it begins with a digit", error);
    derive(project);
    return STATUS_OK;
}

/* --- files ---------------------------------------------------------------------------------------------- */

static void fill_in(struct text *out, const char *text, const struct project *project)
{
    const struct {
        const char *mark;
        const char *value;
    } marks[] = { { "@GROUP@", project->group },
                  { "@NAME@", project->name },
                  { "@VERSION@", project->version },
                  { "@PLAIN_VERSION@", project->plain_version } };
    while (*text != '\0') {
        size_t plain = strcspn(text, "@");
        text_add_bytes(out, text, plain);
        text += plain;
        size_t i = 0;
        while (i < sizeof marks / sizeof marks[0] && !text_starts_with(text, marks[i].mark))
            i++;
        if (i < sizeof marks / sizeof marks[0]) {
            text_add(out, marks[i].value);
            text += strlen(marks[i].mark);
        } else if (*text == '@') {
            text_add_bytes(out, text++, 1);
        }
    }
}

static enum status write_file(const struct slice_tool *tool, const struct project *project, const char *name,
                              const char *template, struct error *error)
{
    char path[PATH_SIZE + 256];
    struct file file;
    struct text content = { 0 };
    (void)snprintf(path, sizeof path, "%s/%s", project->folder, name);
    fill_in(&content, template, project);
    enum status status = file_os.open(NULL, path, FILE_CREATE, &file, error);
    if (status == STATUS_OK) {
        status = file_os.write(NULL, &file, text_string(&content), content.size, error);
        file_os.close(NULL, &file);
    }
    text_fini(&content);
    if (status == STATUS_OK) value_append(value_edit(tool->document, "files"), value_new_string(name));
    return status;
}

static enum status write_project(const struct slice_tool *tool, const struct project *project,
                                 struct error *error)
{
    char source[PART_MAX + 8], tests[PART_MAX + 16], include[PATH_SIZE + 64];
    (void)snprintf(source, sizeof source, "%s.c", project->name);
    (void)snprintf(tests, sizeof tests, "%s-test.yaml", project->name);
    const struct {
        const char *name;
        const char *template;
    } files[] = { { source, template_slice_c },
                  { "CMakeLists.txt", template_cmakelists_txt },
                  { tests, template_test_yaml },
                  { "blueprint.yaml", template_blueprint_yaml },
                  { "README.md", template_readme_md },
                  { ".gitignore", template_gitignore },
                  { "include/aether/slice.h", template_header } };
    (void)snprintf(include, sizeof include, "%s/include/aether", project->folder);
    enum status status = file_os.make_folder(NULL, include, error);
    for (size_t i = 0; status == STATUS_OK && i < sizeof files / sizeof files[0]; i++)
        status = write_file(tool, project, files[i].name, files[i].template, error);
    return status;
}

/* Absolute, as the file port wants it. */
static enum status absolute(const char *folder, char to[PATH_SIZE], struct error *error)
{
    struct text here = { 0 };
    enum status status = folder[0] == '/' ? STATUS_OK : path_resolve(".", &here, error);
    if (folder[0] != '/') text_add(&here, "/");
    text_add(&here, folder);
    if (status == STATUS_OK && here.size > PATH_SIZE - 256)
        status = error_set(error, STATUS_INVALID, "the folder's name is too long");
    if (status == STATUS_OK) (void)text_copy(to, PATH_SIZE, text_string(&here));
    text_fini(&here);
    return status;
}

enum status slice_new_run(const struct slice_tool *tool, struct error *error)
{
    struct project project = { 0 };
    struct text artifact = { 0 };
    uint64_t size;
    enum status status = read_name(value_get_string(tool->arguments, "name", ""), &project, error);
    const char *folder = value_get_string(tool->arguments, "folder", project.name);
    if (status == STATUS_OK) status = absolute(folder, project.folder, error);
    if (status != STATUS_OK) return status;
    if (file_os.size(NULL, project.folder, &size, error) == STATUS_OK) {
        status = error_set(error, STATUS_CONFLICT, "%s is there already", folder);
        error_hint(error, "--folder OTHER, or remove it");
        return status;
    }
    text_printf(&artifact, "%s:%s:%s", project.group, project.name, project.version);
    value_set_string(tool->document, "artifact", text_string(&artifact));
    value_set_string(tool->document, "folder", folder);
    value_set(tool->document, "files", value_new_array());
    text_fini(&artifact);
    status = write_project(tool, &project, error);
    if (status == STATUS_OK && !tool->argv->quiet)
        (void)fprintf(stderr, "next: cd %s && aether slice build && aether slice test\n", folder);
    return status;
}

/* --- build ---------------------------------------------------------------------------------------------- */

static enum status run_cmake(const char *const *arguments, const char *folder, struct error *error)
{
    struct child_end end;
    enum status status = child_run(arguments, folder, true, &end, error);
    if (status != STATUS_OK) {
        error_hint(error, "install cmake and a C compiler");
        return status;
    }
    if (!end.by_signal && end.code == 0) return STATUS_OK;
    status = error_set(error, STATUS_APP_ERROR, "cmake ended with %s %d",
                       end.by_signal ? "signal" : "exit code", end.code);
    error_hint(error, "its messages are above");
    return status;
}

enum status slice_build_run(const struct slice_tool *tool, struct error *error)
{
    static const char *const configure[] = { "cmake", "-S", ".", "-B", "build", NULL };
    static const char *const build[] = { "cmake", "--build", "build", NULL };
    const char *folder = value_get_string(tool->arguments, "folder", ".");
    struct text there = { 0 }, file = { 0 };
    enum status status = path_resolve(folder, &there, error);
    if (status == STATUS_OK)
        status = slice_tool_find(text_string(&there), "CMakeLists.txt", "CMakeLists.txt", &file, error);
    if (status != STATUS_OK) error_hint(error, "aether slice new NAME makes a project");
    if (status == STATUS_OK) status = run_cmake(configure, text_string(&there), error);
    if (status == STATUS_OK) status = run_cmake(build, text_string(&there), error);
    text_fini(&file);
    if (status == STATUS_OK)
        status = slice_tool_find(text_string(&there), "build/*.so", "shared object", &file, error);
    if (status == STATUS_OK) value_set_string(tool->document, "file", text_string(&file));
    text_fini(&file);
    text_fini(&there);
    return status;
}
