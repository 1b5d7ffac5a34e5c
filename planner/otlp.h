#pragma once
// A run as OpenTelemetry spans, in OTLP's JSON: one of the run, one of each attempt in it, with
// the names of the conventions for generative AI. https://opentelemetry.io/docs/specs/otlp/

#include <string>
#include <vector>

#include "planner/trace.h"

namespace weft::planner {

/// The conventions' version, which is still called experimental.
inline constexpr const char* kOtlpSchema = "https://opentelemetry.io/schemas/1.37.0";

/// The body of a request to a collector's /v1/traces. Equal runs give equal text: ids are hashes.
/// Values and error messages stay behind.
std::string otlp_json(const TraceRun& run, const std::vector<TraceEvent>& events);

}  // namespace weft::planner
