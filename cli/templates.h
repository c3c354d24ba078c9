/* templates: what `aether slice new` writes: the files of cli/templates/slice and the slice's header,
 * compiled in (CMakeLists.txt makes the definitions). @GROUP@, @NAME@, @VERSION@ and @PLAIN_VERSION@
 * stand for the project's own. */
#ifndef AETHER_CLI_TEMPLATES_H
#define AETHER_CLI_TEMPLATES_H

extern const char template_header[]; /* aether/slice.h, as it is. */
extern const char template_slice_c[];
extern const char template_cmakelists_txt[];
extern const char template_test_yaml[];
extern const char template_blueprint_yaml[];
extern const char template_readme_md[];
extern const char template_gitignore[];

#endif
