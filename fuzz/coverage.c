// libFuzzer prints coverage by function only if a sanitizer's symbolizer is there. This stands in for it: every place is
// its offset in the program, and fuzz/coverage.sh looks up the offsets.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static unsigned long offset(void *pc) {
    Dl_info info;
    return dladdr(pc, &info) ? (unsigned long)((char *)pc - (char *)info.dli_fbase) : 0;
}

void __sanitizer_symbolize_pc(void *pc, const char *format, char *out, unsigned long size) {
    (void)format;
    snprintf(out, size, "0x%lx", offset(pc));
}

int __sanitizer_get_module_and_offset_for_pc(void *pc, char *module, unsigned long size, void **at) {
    strncpy(module, "ivan", size);
    *at = (void *)offset(pc);
    return 1;
}
