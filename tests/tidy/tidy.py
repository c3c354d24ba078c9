#!/usr/bin/env python3
"""tidy: the house rules that a script can see. Prints every breach as FILE:LINE: what, and exits 1 if there is one.

 - every #include follows the include table of ARCHITECTURE.md (rooms, and the system headers of its third column)
 - no heap outside runtime/base, no clock, randomness, thread or sleep outside the adapters
 - lines <= 110 columns, files <= 800 lines, functions <= 70 lines; a guard named after the file; a card on each file
 - links in the documents lead somewhere; nothing names a place outside this repository
 - each rule of docs/consensus.md is cited by its id in the code that keeps it and in a test that shows it
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FREE_SYSTEM_HEADERS = {
    "assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "locale.h", "math.h", "setjmp.h",
    "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "stdnoreturn.h",
    "string.h", "strings.h", "wchar.h",
}
PROGRAM_ROOMS = {"nodes", "cli", "tests", "bench", "nodes/sim"}  # The outermost rooms: any system header.
FORBIDDEN_CALLS = {  # call -> rooms that may use it
    r"(?<![>.])\b(malloc|calloc|realloc|free)\s*\(": {"runtime/base", "tests", "bench", "examples", "actors/slice/sdk"},
    r"(?<![>.])\b(clock_gettime|gettimeofday|time)\s*\(": {"runtime/os", "tests", "bench", "cli", "examples"},
    r"(?<![>.])\b(rand|random|srand|getrandom)\s*\(": {"runtime/os", "tests", "bench"},
    r"\bpthread_create\s*\(": {"runtime", "runtime/os", "tests", "bench"},
    r"(?<![>.])\b(usleep|nanosleep|sleep)\s*\(": {"runtime/os", "examples"},
}
LINE_MAX, FILE_MAX, FUNCTION_MAX = 110, 800, 70

problems = []


def problem(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
                         cwd=ROOT, check=True, capture_output=True, text=True)
    return sorted({p for p in out.stdout.split("\n") if p and (ROOT / p).exists()})


def read_table():
    table = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text().split("\n"):
        match = re.match(r"^\| `([a-z/_]+)` \|([^|]*)\|([^|]*)\|", line)
        if match:
            table[match[1]] = (set(match[2].split()), match[3].split())
    return table


def room_of(path, table):
    folder = str(pathlib.PurePosixPath(path).parent)
    while folder and folder != ".":
        if folder in table:
            return folder
        folder = str(pathlib.PurePosixPath(folder).parent)
    return None


def matches(header, pattern):
    return header == pattern or (pattern.endswith("*") and header.startswith(pattern[:-1]))


def check_quoted(path, number, header, room, table):
    includes, _ = table[room]
    if "everything" in includes:
        return
    target = room_of(header, table)
    if target is None:
        if room != "examples":
            problem(path, number, f'"{header}" is not root-relative, or in no room')
    elif target not in includes | {room}:
        problem(path, number, f"room {room} may not include {target} (ARCHITECTURE.md)")


def check_angled(path, number, header, room, table):
    includes, _ = table[room]
    if header.startswith("aether/"):
        if not includes & {"actors/slice/sdk", "everything"}:
            problem(path, number, f"room {room} may not include the slice SDK")
        return
    owners = {r for r, (_, systems) in table.items() for p in systems if matches(header, p)}
    if room in owners or room in PROGRAM_ROOMS or room == "examples" or header in FREE_SYSTEM_HEADERS:
        return
    if owners:
        problem(path, number, f"<{header}> belongs to {', '.join(sorted(owners))}")
    else:
        problem(path, number, f"<{header}> is named by no room in ARCHITECTURE.md")


def strip_code(text):
    """Comments and strings blanked, line structure kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def check_functions(path, code):
    start = None
    for number, line in enumerate(code.split("\n"), 1):
        if line.startswith("{") and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > FUNCTION_MAX:
                problem(path, start, f"function of {number - start - 1} lines (at most {FUNCTION_MAX})")
            start = None


def check_lines(path, text, room, table):
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_MAX:
            problem(path, number, f"{len(line)} columns (at most {LINE_MAX})")
        match = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if match:
            (check_quoted if match[1] == '"' else check_angled)(path, number, match[2], room, table)


def check_calls(path, code, room):
    for number, line in enumerate(code.split("\n"), 1):
        if re.match(r"\s*#", line):
            continue
        for pattern, rooms in FORBIDDEN_CALLS.items():
            match = re.search(pattern, line)
            if match and room not in rooms:
                problem(path, number, f"{match[1]}() outside its adapter")
        if re.search(r"^\s*typedef struct\b", line) and room != "actors/slice/sdk":
            problem(path, number, "struct typedef")


def check_source(path, table):
    text = (ROOT / path).read_text()
    room = room_of(path, table)
    if room is None:
        problem(path, 1, "is in no room of ARCHITECTURE.md")
        return
    check_lines(path, text, room, table)
    if text.count("\n") > FILE_MAX:
        problem(path, 1, f"{text.count(chr(10))} lines (at most {FILE_MAX})")
    if not text.startswith("/*"):
        problem(path, 1, "does not open with its card (a comment that says what it is)")
    code = strip_code(text)
    if path.endswith(".h") and room not in ("examples", "actors/slice/sdk"):
        guard = "AETHER_" + re.sub(r"[^A-Za-z0-9]", "_", path).upper()
        if f"#define {guard}\n" not in text:
            problem(path, 1, f"include guard is not {guard}")
    if path.endswith(".c"):
        check_functions(path, code)
    check_calls(path, code, room)


def check_documents():
    for path in tracked("*.md"):
        for number, line in enumerate((ROOT / path).read_text().split("\n"), 1):
            if "../shared" in line or "/work/" in line:
                problem(path, number, "names a place outside this repository")
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", line):
                if not (ROOT / path).parent.joinpath(target).exists():
                    problem(path, number, f"link to {target} leads nowhere")


def citations(paths):
    """The rule ids that these files name, in their text or, as the core's scripts do, in their own name."""
    found = set()
    for path in paths:
        text = pathlib.PurePosixPath(path).name.replace("_", " ") + "\n" + (ROOT / path).read_text(errors="replace")
        found.update(re.findall(r"(?<![A-Za-z0-9])[A-Z]\d{1,2}(?![A-Za-z0-9])", text))
    return found


def check_rules():
    code = citations(p for p in tracked("*.c", "*.h") if not p.startswith(("tests/", "bench/", "examples/")))
    shown = citations(tracked("tests/*.c", "tests/*.h", "tests/*.py", "tests/core/*.txt"))
    for number, line in enumerate((ROOT / "docs/consensus.md").read_text().split("\n"), 1):
        rule = re.match(r"- ([A-Z]\d{1,2}) ", line)
        if rule and rule[1] not in code:
            problem("docs/consensus.md", number, f"rule {rule[1]} is named by no code")
        if rule and rule[1] not in shown:
            problem("docs/consensus.md", number, f"rule {rule[1]} is named by no test")


def main():
    table = read_table()
    for path in tracked("*.c", "*.h"):
        check_source(path, table)
    check_documents()
    check_rules()
    for line in problems:
        print(line)
    print(f"tidy: {len(problems)} breaches", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
