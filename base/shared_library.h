#pragma once
// A library of the system that is loaded when it is first needed: with libcurl, libarchive and the
// forty libraries behind them every start would take 9 ms and 6 MB more, and few runs use them.

#include <string>

#include "base/result.h"

namespace weft {

/// Stays loaded until the process ends: libraries start threads and register handlers.
class SharedLibrary {
 public:
  /// `name` is a soname ("libcurl.so.4"), looked up as the linker does. Errors: kNotFound if it
  /// isn't there or can't be loaded, with `purpose` ("to reach the network") in the message.
  static Result<SharedLibrary> open(const std::string& name, const std::string& purpose);

  /// The function of that name; `Function` is its type. Errors: kUnsupported if it has none.
  template <typename Function>
  Result<Function*> function(const char* name) const {
    WEFT_TRY(address, symbol(name));
    return reinterpret_cast<Function*>(address);
  }

 private:
  SharedLibrary(std::string name, void* handle) : name_(std::move(name)), handle_(handle) {}
  Result<void*> symbol(const char* name) const;

  std::string name_;
  void* handle_;
};

}  // namespace weft
