#include "app/commands.h"

namespace limpid {

void add_tokenize(Program& program);
void add_detokenize(Program& program);
void add_render(Program& program);
void add_pull(Program& program);
void add_synth(Program& program);
void add_models(Program& program);
void add_doctor(Program& program);

void add_commands(Program& program) {
  add_tokenize(program);
  add_detokenize(program);
  add_render(program);
  add_pull(program);
  add_synth(program);
  add_models(program);
  add_doctor(program);
}

}  // namespace limpid
