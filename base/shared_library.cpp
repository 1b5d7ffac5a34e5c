#include "base/shared_library.h"

#include <dlfcn.h>

namespace weft {

Result<SharedLibrary> SharedLibrary::open(const std::string& name, const std::string& purpose) {
  void* const handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return SharedLibrary(name, handle);
  const char* why = ::dlerror();
  return Error{ErrorCode::kNotFound, "the library " + name + " is needed " + purpose +
                                         " and can't be loaded (" +
                                         (why != nullptr ? why : "no reason given") +
                                         "); install the system's package of it"};
}

Result<void*> SharedLibrary::symbol(const char* name) const {
  if (void* const address = ::dlsym(handle_, name)) return address;
  return Error{ErrorCode::kUnsupported,
               "the library " + name_ + " has no function " + name + ": it is another version"};
}

}  // namespace weft
