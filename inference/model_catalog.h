#pragma once
// The models that Weft knows by name: where they come from, and what their bytes must be.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::inference {

/// One file of a model, joined from the members of one or more packages.
struct CatalogFile {
  std::string name;  // in the store: "smollm2-135m.gguf", or in the model's folder, or one below
  std::uint64_t size_bytes;
  std::string sha256;
};

/// A wheel and its members: the i-th is (a part of) `files[i]` of the model. A member's name is
/// given by its end, from a "/" on.
struct CatalogPackage {
  std::string name;
  std::string version;
  std::vector<std::string> members;
};

/// Either one file in several packages, to be joined in their order, or several files in one.
struct CatalogModel {
  std::string name;
  std::string description;
  std::vector<CatalogFile> files;  // the first is the model proper
  std::vector<CatalogPackage> packages;
  std::string licence;  // SPDX name, or what its owner calls it
  std::string licence_url;
  bool is_folder = false;  // NAME/FILE instead of NAME.gguf

  std::uint64_t size_bytes() const;  // of all files
};

/// All of them, by name. Made anew by each call.
std::vector<CatalogModel> known_models();

}  // namespace weft::inference
