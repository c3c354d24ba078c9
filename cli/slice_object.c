/* slice_object: reads the dynamic section and the dynamic symbols. */
#include "cli/slice_object.h"

#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>

struct object {
    Elf *elf;
    struct value *document;
};

static void add(const struct object *object, const char *list, const char *text)
{
    value_append(value_edit(object->document, list), value_new_string(text));
}

static void add_symbol(const struct object *object, const GElf_Sym *symbol, const char *name)
{
    static const char descriptor[] = "AETHER_SLICE_DESCRIPTOR";
    unsigned binding = GELF_ST_BIND(symbol->st_info);
    bool defined = symbol->st_shndx != SHN_UNDEF;
    bool visible = GELF_ST_VISIBILITY(symbol->st_other) == STV_DEFAULT;
    if (name == NULL || name[0] == '\0') return;
    if (!defined && binding == STB_GLOBAL) add(object, "undefined", name);
    if (!defined && strncmp(name, "__cxa_thread_atexit", strlen("__cxa_thread_atexit")) == 0)
        add(object, "hindrances", "it has destructors of thread-local variables");
    if (defined && visible && binding != STB_LOCAL && strcmp(name, descriptor) != 0)
        add(object, "exported", name);
    if (defined && binding == STB_GNU_UNIQUE) {
        char text[320];
        (void)snprintf(text, sizeof text, "the unique symbol %.200s (compile with -fno-gnu-unique)", name);
        add(object, "hindrances", text);
    }
}

static void read_symbols(const struct object *object, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = header->sh_entsize == 0 ? 0 : header->sh_size / header->sh_entsize;
    for (size_t i = 1; data != NULL && i < count; i++) {
        GElf_Sym symbol;
        if (gelf_getsym(data, (int)i, &symbol) == NULL) return;
        add_symbol(object, &symbol, elf_strptr(object->elf, header->sh_link, symbol.st_name));
    }
}

static void read_dynamic(const struct object *object, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = header->sh_entsize == 0 ? 0 : header->sh_size / header->sh_entsize;
    for (size_t i = 0; data != NULL && i < count; i++) {
        GElf_Dyn entry;
        if (gelf_getdyn(data, (int)i, &entry) == NULL || entry.d_tag == DT_NULL) return;
        const char *name = elf_strptr(object->elf, header->sh_link, entry.d_un.d_val);
        if (entry.d_tag == DT_NEEDED && name != NULL) add(object, "libraries", name);
        if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_NODELETE) != 0)
            add(object, "hindrances", "it was linked with -z nodelete");
    }
}

static enum status read_object(const struct object *object, const char *path, struct error *error)
{
    GElf_Ehdr header;
    if (elf_kind(object->elf) != ELF_K_ELF || gelf_getehdr(object->elf, &header) == NULL ||
        header.e_type != ET_DYN)
        return error_set(error, STATUS_INVALID, "%s is not a shared object", path);
    static const char *const lists[] = { "libraries", "undefined", "exported", "hindrances" };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        value_set(object->document, lists[i], value_new_array());
    for (Elf_Scn *section = NULL; (section = elf_nextscn(object->elf, section)) != NULL;) {
        GElf_Shdr head;
        if (gelf_getshdr(section, &head) == NULL) continue;
        if (head.sh_type == SHT_DYNSYM) read_symbols(object, section, &head);
        if (head.sh_type == SHT_DYNAMIC) read_dynamic(object, section, &head);
    }
    return STATUS_OK;
}

enum status slice_object_describe(const char *path, struct value *document, struct error *error)
{
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return error_set(error, STATUS_NOT_FOUND, "%s can't be opened", path);
    (void)elf_version(EV_CURRENT);
    struct object object = { .elf = elf_begin(fileno(file), ELF_C_READ, NULL), .document = document };
    enum status status = read_object(&object, path, error);
    (void)elf_end(object.elf);
    (void)fclose(file);
    return status;
}
