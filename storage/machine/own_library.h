#ifndef ACTKIN_STORAGE_MACHINE_OWN_LIBRARY_H_
#define ACTKIN_STORAGE_MACHINE_OWN_LIBRARY_H_

namespace actkin {

// Loads a shared library of the project on demand, its symbols seen by nobody else (RTLD_LOCAL), and returns the
// address of the one that it exports. Looks beside the file that this code is part of (a program, or the SQLite
// extension), then beside the program, in their ../lib, ../lib/actkin and ../../lib, and where it was built. It stays
// loaded. Throws Error naming the library when it is not found, cannot be loaded, or exports no such symbol.
void* LoadOwnLibrary(const char* file, const char* symbol);

}  // namespace actkin

#endif  // ACTKIN_STORAGE_MACHINE_OWN_LIBRARY_H_
