#include "cli/peer_flags.h"

#include <CLI/CLI.hpp>
#include <map>
#include <utility>
#include <vector>

#include "cli/models.h"
#include "inference/logit_arithmetic.h"

namespace weft::cli {

void add_peer_flags(CLI::App& verb, PeerFlags& flags) {
  verb.add_option("--expert", flags.expert,
                  "Add alpha (expert - anti-expert) to the logits; one that isn't given is the "
                  "model itself")
      ->type_name("MODEL");
  verb.add_option("--anti-expert", flags.anti_expert,
                  "The model that --expert is compared with; alone: contrastive decoding")
      ->type_name("MODEL");
  verb.add_option("--alpha", flags.alpha, "Weight of --expert and --anti-expert")
      ->capture_default_str();
}

Result<std::optional<inference::LogitsStep>> peer_step(const Context& context, const Engine& base,
                                                       const PeerFlags& flags) {
  using Step = std::optional<inference::LogitsStep>;
  if (flags.expert.empty() && flags.anti_expert.empty()) return Step();
  WEFT_TRY(tools, ModelTools::open(context));
  // One pool of threads for all of them; a model that is named twice is loaded once.
  WEFT_TRY(backend, open_backend(context));
  std::map<std::string, std::shared_ptr<const inference::Model>> models = {{base.name, base.model}};
  inference::CombineOptions options;
  std::vector<inference::Peer> peers;
  for (const auto& [name, weight] :
       {std::pair(flags.expert, flags.alpha), std::pair(flags.anti_expert, -flags.alpha)}) {
    if (name.empty()) {
      options.weight += weight;
      continue;
    }
    auto& model = models[name];
    if (model == nullptr) {
      WEFT_TRY(path, tools->store().path_of(name));
      inference::LoadOptions load;
      load.stop = context.stop;
      WEFT_TRY(loaded, inference::Model::load(path, *backend, load));
      model = std::move(loaded);
    }
    // A context that is longer than the peer's ends the answer with an error of the peer.
    const std::size_t length =
        std::min(base.context_length(context.config), model->config().context_length);
    WEFT_TRY(session, inference::Session::open(model, {.context_length_max = length}));
    peers.push_back({std::move(session), weight, {}});
  }
  WEFT_TRY(step, inference::logit_arithmetic(base.model->tokenizer(), std::move(peers), options,
                                             context.stop));
  return Step(std::move(step));
}

}  // namespace weft::cli
