#include "cli/graph_machine.h"

#include <mutex>

#include "cli/collections.h"
#include "inference/think_span.h"
#include "planner/nodes/model.h"
#include "planner/nodes/remote.h"

namespace weft::cli {
namespace {

/// One store for all nodes that search, which take turns.
Result<planner::Retrieve> retrieve_with(const Context& context) {
  WEFT_TRY(opened, open_store(context));
  struct Shared {
    explicit Shared(retrieval::CollectionStore given) : store(std::move(given)) {}
    std::mutex mutex;
    retrieval::CollectionStore store;
  };
  auto shared = std::make_shared<Shared>(std::move(opened));
  return planner::Retrieve(
      [shared, collection = context.config.string("retrieval.collection"),
       words = stop_words(context.config)](
          const std::string& query, std::size_t count,
          std::stop_token stop) -> Result<std::vector<planner::RetrievedPassage>> {
        const std::lock_guard lock(shared->mutex);
        WEFT_TRY(hits, shared->store.search(collection, query, count,
                                            {.stop_words = words, .stop = std::move(stop)}));
        std::vector<planner::RetrievedPassage> passages;
        for (auto& hit : hits) passages.push_back({std::move(hit.text), std::move(hit.source)});
        return passages;
      });
}

Result<void> load_model(Context& context, GraphMachine& machine, planner::GraphParts& parts) {
  if (remote_name(context.config)) {
    WEFT_TRY(remote, open_remote(context));
    machine.remote = std::move(remote);
    machine.nodes = std::make_unique<planner::RemoteNodes>(
        *machine.remote->model, machine.remote->name, machine.remote->price);
    parts.model = machine.nodes.get();
    return {};
  }
  WEFT_TRY(loaded, load_engine(context, {.chat = true}));
  WEFT_TRY(engine,
           inference::Engine::open(loaded.model,
                                   {.context_length_max = loaded.context_length(context.config)}));
  machine.loaded = std::move(loaded);
  machine.engine.emplace(std::move(engine));
  machine.nodes = std::make_unique<planner::ModelNodes>(*machine.engine, machine.lanes.model(),
                                                        machine.loaded->name);
  parts.model = machine.nodes.get();
  parts.weights = machine.loaded->model;
  parts.options.draft_tokens_max = static_cast<std::size_t>(context.config.integer("engine.draft"));
  parts.options.think = inference::find_think_span(machine.loaded->model->tokenizer());
  if (parts.options.think) {
    parts.options.think->tokens_max =
        static_cast<std::size_t>(context.config.integer("answer.think_tokens"));
  }
  return {};
}

}  // namespace

std::string GraphMachine::model_name() const {
  return loaded ? loaded->name : remote ? remote->name : "";
}

Result<void> equip(Context& context, const std::string& text, planner::GraphParts& parts,
                   GraphMachine& machine, planner::LoadedGraph& graph) {
  if (!graph.uses_model && !graph.uses_retrieval) return {};
  if (graph.uses_model) WEFT_TRY_VOID(load_model(context, machine, parts));
  if (graph.uses_retrieval) {
    WEFT_TRY(retrieve, retrieve_with(context));
    parts.retrieve = std::move(retrieve);
  }
  WEFT_TRY(loaded, planner::load_graph(text, parts));
  graph = std::move(loaded);
  if (machine.nodes) return machine.nodes->follow(graph.program.body());
  return {};
}

}  // namespace weft::cli
