#include "app/commands.h"

namespace limpid {

void add_chat(Program& program);
void add_run(Program& program);
void add_tokenize(Program& program);
void add_detokenize(Program& program);
void add_render(Program& program);
void add_logits(Program& program);
void add_perplexity(Program& program);
void add_inspect(Program& program);
void add_bench(Program& program);
void add_pull(Program& program);
void add_synth(Program& program);
void add_models(Program& program);
void add_data(Program& program);
void add_eval(Program& program);
void add_acceptance(Program& program);
void add_rl(Program& program);
void add_recipe(Program& program);
void add_report(Program& program);
void add_train(Program& program);
void add_sft(Program& program);
void add_distill(Program& program);
void add_traces(Program& program);
void add_merge(Program& program);
void add_doctor(Program& program);
void add_export(Program& program);
void add_serve(Program& program);
void add_admin(Program& program);

void add_commands(Program& program) {
  add_chat(program);
  add_run(program);
  add_serve(program);
  add_admin(program);
  add_tokenize(program);
  add_detokenize(program);
  add_render(program);
  add_logits(program);
  add_perplexity(program);
  add_inspect(program);
  add_bench(program);
  add_pull(program);
  add_synth(program);
  add_data(program);
  add_eval(program);
  add_acceptance(program);
  add_train(program);
  add_sft(program);
  add_distill(program);
  add_traces(program);
  add_merge(program);
  add_rl(program);
  add_recipe(program);
  add_report(program);
  add_export(program);
  add_models(program);
  add_doctor(program);
}

}  // namespace limpid
