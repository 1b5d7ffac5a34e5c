#pragma once
// The kinds of nodes that are code, as a graph's file names them, and how each is made. Internal.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "planner/graph_file.h"
#include "planner/graph_file_json.h"
#include "planner/nodes/tool.h"
#include "planner/prompt_template.h"

namespace weft::planner::file {

struct CodeRequest {
  const Json& json;
  std::vector<ToolNode::Argument> inputs;  // what the node calls each, and its type
  std::optional<PromptTemplate> prompt;    // of a kind that has one; its names() are the inputs'
  const GraphParts& parts;
  std::shared_ptr<const tools::Registry> registry;
};

struct MadeCode {
  FunctionPtr code;
  Policy policy;
};

struct CodeKind {
  std::string name;
  Names keys;                        // beside those that every node has
  const char* prompt_key = nullptr;  // where its template is; KEY_file is a template's file
  Result<MadeCode> (*make)(const CodeRequest& request) = nullptr;
};

const std::vector<CodeKind>& code_kinds();
/// Those of them that fold, group, sort, vote and judge lists: graph_file_list_kinds.cpp.
std::vector<CodeKind> list_kinds();

/// list<type>. Errors: kInvalidArgument where lists are inside one another too deep.
Result<const Type*> list_of(const Type* type);
/// list<type>'s counterpart of a map that skips what failed, and code from it to the list.
Result<const Type*> partial_of(const Type* type);
FunctionPtr values_function(const Type* partial, const Type* list);

}  // namespace weft::planner::file
