// MODEL as commands take it: where there is no place for a store, and what is said of what is none.
#include <gtest/gtest.h>

#include "app/built_in.h"
#include "tests/app/shell.h"
#include "tests/app/tiny_models.h"

namespace {

ShellResult without_store(const std::string& arguments) {
  return shell("env -u LIMPID_HOME -u XDG_DATA_HOME -u HOME " LIMPID_BINARY " " + arguments + " 2>&1");
}

bool says(const ShellResult& result, const std::string& text) { return result.output.find(text) != std::string::npos; }

const std::string kCheckpoint = REPO_DIR "/tests/models/data/deepseek_v3";

TEST(ModelArgument, APathNeedsNoStore) {
  for (const std::string& path : {kTinyModels + "llama3.gguf", kCheckpoint}) {
    const ShellResult result = without_store("inspect " + path);
    EXPECT_EQ(result.code, 0) << result.output;
  }
  if (limpid::built_in_bytes() > 0) {
    const ShellResult result = without_store("run r1-nano -p 'What is 3 + 4?' --temp 0 -t 1");
    EXPECT_EQ(result.code, 0) << result.output;
  }
}

TEST(ModelArgument, ANameWithoutAStoreSaysWhatIsMissing) {
  for (const char* name : {"smollm2-135m", "/nowhere/at/all.gguf"}) {
    const ShellResult result = without_store(std::string("inspect ") + name);
    EXPECT_EQ(result.code, 2) << result.output;
    EXPECT_EQ(result.output, "limpid: no file '" + std::string(name) +
                                 "', and no place for models: none of LIMPID_HOME, XDG_DATA_HOME and HOME is set\n");
  }
  EXPECT_EQ(without_store("models").code, 2);
}

TEST(ModelArgument, AFileOfADirectoryNamesTheDirectory) {
  for (const char* name : {"config.json", "model.safetensors"}) {
    const ShellResult result = run_limpid("run " + kCheckpoint + "/" + name + " -p x 2>&1");
    EXPECT_EQ(result.code, 2) << result.output;
    EXPECT_TRUE(says(result, "give its directory instead: " + kCheckpoint)) << result.output;
  }
}

TEST(ModelArgument, ARepositoryKeepsItsPrefix) {
  const ShellResult result = shell("LIMPID_HOME=/nowhere/at/all " LIMPID_BINARY " run hf:x/y -p x 2>&1");
  EXPECT_EQ(result.code, 2) << result.output;
  EXPECT_EQ(result.output, "limpid: model hf:x/y is not on this machine; `limpid pull hf:x/y` fetches it\n");
}

TEST(ModelArgument, WhatIsBuiltInCannotBeRemoved) {
  if (limpid::built_in_bytes() == 0) GTEST_SKIP() << "weights/r1-nano held no model when this was built";
  const ShellResult result = shell("LIMPID_HOME=/nowhere/at/all " LIMPID_BINARY " models rm R1-nano 2>&1");
  EXPECT_EQ(result.code, 2) << result.output;
  EXPECT_EQ(result.output, "limpid: r1-nano is inside the program and takes no place in the store\n");
}

}  // namespace
