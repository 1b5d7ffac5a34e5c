#pragma once
// Plans that a model makes: a document of steps, each of which calls a tool with arguments that may
// refer to what earlier steps gave. A plan is checked as a whole before anything of it is called,
// and then runs as a graph of its own: steps that don't need each other run side by side, under the
// run's budget, and a trace records each.
//
//   {"steps": [{"id": "a", "tool": "search", "arguments": {"query": "$question"}},
//              {"id": "b", "tool": "read", "arguments": {"file": "${a/0/file}", "most": 2}}],
//    "result": "b"}
//
// Sources: Xu et al. 2023 (ReWOO: one plan with placeholders), Kim et al. 2024 (LLMCompiler: a plan
// is a graph). There a plan's mistakes show when its steps run; here they are found before.

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "planner/body.h"
#include "planner/json_value.h"
#include "tools/registry.h"

namespace weft::planner {

struct PlanLimits {
  std::size_t steps_max = 16;
  std::size_t depth_max = 8;          // steps that wait for one another
  std::size_t bytes_max = 64 * 1024;  // of the document
  std::size_t references_max = 64;    // of a step
};

/// What a plan's steps may do beside calling tools: code whose one input is a text.
struct PlanKind {
  std::string name;      // as a step's "tool"
  std::string argument;  // its only one
  std::string about;     // for a model
  FunctionPtr code;
  Policy policy;
};

/// What plans are made of.
struct PlanKit {
  std::shared_ptr<const tools::Registry> registry;
  std::vector<std::string> tools;  // of the registry, that a step may call
  std::vector<PlanKind> kinds;
  struct Input {
    std::string name;  // an id; what steps call it
    const Type* type = nullptr;
  };
  std::vector<Input> inputs;
  PlanLimits limits;
};

/// Errors: kNotFound for a tool that isn't there; kInvalidArgument for two of one name, or an input
/// whose name is no id.
Result<void> check(const PlanKit& kit);

struct PlanStep {
  std::string id;
  std::string tool;                // or the name of a kind
  Value arguments;                 // of type json: an object
  std::vector<std::string> needs;  // ids of steps and names of inputs, once each
};

struct Plan {
  std::vector<PlanStep> steps;  // each behind those that it needs
  std::string result;           // the id of a step
};

/// The one check of all plans. Nothing is called. Errors: kInvalidArgument, kNotFound or
/// kPermissionDenied, which begin with "step ID: " where a step is at fault: an unknown tool, one
/// that isn't allowed, an argument that is unknown, missing or of a wrong type, a reference to no
/// step or to a later one, steps that need each other, one that nothing needs, or too much of
/// anything.
Result<Plan> read_plan(const nlohmann::json& document, const PlanKit& kit);
/// The same of a model's text. Errors: also kInvalidArgument for what isn't JSON.
Result<Plan> read_plan_text(std::string_view text, const PlanKit& kit);

/// A plan as a graph with the kit's inputs, its result being an `output`: a text shows what isn't
/// one, anything else is read from the result's JSON.
Result<std::shared_ptr<const Body>> plan_body(const Plan& plan, const PlanKit& kit,
                                              const Type* output);

/// Code for Graph::plan(): a document (json, or the text of one) and the kit's inputs to `output`.
FunctionPtr plan_function(PlanKit kit, const Type* document, const Type* output);

/// Code from a plan's text to what is wrong with it, as a text; empty if nothing is: what a model
/// is told that is asked again.
FunctionPtr plan_mistake_function(PlanKit kit);

/// The JSON Schema of the kit's plans, for structured output: tools, their arguments, and
/// references in place of arguments. It can't say which ids there are: check the plan all the same.
nlohmann::ordered_json plan_schema(const PlanKit& kit);
/// How plans are written and which tools there are: the beginning of a prompt for one.
std::string plan_instructions(const PlanKit& kit);

}  // namespace weft::planner
