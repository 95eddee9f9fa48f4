// LeakSanitizer looks at a process from a second one, and a confined trainer can have none: without this, every trainer
// that AddressSanitizer is built into would end with LeakSanitizer's failure instead of its own exit status.
extern "C" const char* __asan_default_options();
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
