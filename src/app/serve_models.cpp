#include "app/serve_models.h"

#include <algorithm>

#include "app/built_in.h"
#include "app/session.h"
#include "app/settings.h"
#include "server/model_name.h"

namespace limpid {

namespace {

class OneModel : public ServedModels {
 public:
  OneModel(const std::string& model, const Context& context, int sequences)
      : session_(std::make_shared<Session>(model, context, interrupts_, sequences)) {
    info_.id = session_->name();
    info_.context = session_->engine().context();
    info_.thinks = session_->chat().builder().thinks();
    info_.loaded = true;
    info_.sampling = session_->sampling({});
    info_.fingerprint = "fp_limpid";
  }
  std::vector<ServedModelInfo> list() const override { return {info_}; }
  std::shared_ptr<ModelLease> lease(const std::string& model) override {
    const std::vector<std::string> names = deepseek_names();
    if (!model.empty() && model != info_.id && model != "default" && std::ranges::find(names, model) == names.end())
      fail(ErrorKind::not_found, "model: there is {}, not \"{}\"", info_.id, model);
    return std::make_shared<Lease>(session_, info_);
  }
  std::vector<std::pair<std::string, EngineStatistics>> statistics() const override {
    return {{info_.id, session_->engine().statistics()}};
  }

 private:
  struct Lease : ModelLease {
    Lease(std::shared_ptr<Session> opened, const ServedModelInfo& is) : session(std::move(opened)), about(is) {}
    ChatEngine& chat() override { return session->chat(); }
    const ServedModelInfo& info() const override { return about; }
    std::shared_ptr<Session> session;
    const ServedModelInfo& about;
  };
  Interrupts interrupts_;
  std::shared_ptr<Session> session_;
  ServedModelInfo info_;
};

}  // namespace

std::unique_ptr<ServedModels> open_served_models(const ServeSettings& settings, const Context& context) {
  if (settings.models.size() > 1)
    fail(ErrorKind::unsupported, "{} models: one at a time is served", settings.models.size());
  const std::string chosen = read_settings().chat_model;
  const std::string model = !settings.models.empty() ? settings.models[0]
                            : chosen.empty()         ? std::string(kBuiltInName)
                                                     : chosen;
  Context own = context;
  own.options.context = settings.context;
  own.options.threads = static_cast<int>(settings.threads);
  return std::make_unique<OneModel>(model, own, settings.parallel > 0 ? static_cast<int>(settings.parallel) : 4);
}

}  // namespace limpid
