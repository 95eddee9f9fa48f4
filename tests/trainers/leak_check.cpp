// LeakSanitizer inspects a process from a second one, and a confined trainer can't have one. Without this file, every
// trainer that is built with AddressSanitizer would end with LeakSanitizer's failure instead of its own exit status.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
