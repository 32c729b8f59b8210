#include "hub/store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "hub/adopt.h"
#include "tests/hub/fake_hub.h"
#include "tests/hub/temporary_folder.h"

using namespace limpid;
using limpid::test::fake_gguf;
using limpid::test::put;
using limpid::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

std::string what(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

StoredModel stored(const Store& store, const std::string& name) {
  const fs::path file = store.folder(name) / "m.gguf";
  put(file, fake_gguf(100, 1));
  StoredModel model;
  model.name = name;
  model.path = file;
  model.bytes = 100;
  return model;
}

}  // namespace

TEST(Store, RootFollowsTheEnvironment) {
  EXPECT_EQ(
      store_root([](const char* name) -> const char* { return std::string(name) == "LIMPID_HOME" ? "/a" : "/b"; }),
      "/a");
  EXPECT_EQ(store_root([](const char* name) -> const char* {
              return std::string(name) == "XDG_DATA_HOME" ? "/d" : std::string(name) == "HOME" ? "/h" : nullptr;
            }),
            "/d/limpid");
  EXPECT_EQ(store_root([](const char* name) -> const char* { return std::string(name) == "HOME" ? "/h" : nullptr; }),
            "/h/.local/share/limpid");
  EXPECT_FALSE(store_root([](const char*) -> const char* { return nullptr; }));
}

TEST(Store, PutListResolveRemove) {
  TemporaryFolder folder;
  Store store(folder / "home");
  const Catalogue catalogue = Catalogue::built_in();
  EXPECT_TRUE(store.list().empty());
  store.put(stored(store, "smollm2-135m:Q4_1"));
  store.put(stored(store, "owner/repo:Q8_0"));
  ASSERT_EQ(store.list().size(), 2u);
  const fs::path file = store.folder("smollm2-135m:Q4_1") / "m.gguf";
  EXPECT_EQ(store.resolve("smollm2-135m:Q4_1", catalogue), file);
  EXPECT_EQ(store.resolve("SMOLLM2-135M:q4_1", catalogue), file);
  EXPECT_EQ(store.resolve("smollm2-135m", catalogue), file);
  EXPECT_EQ(store.resolve("hf:owner/repo", catalogue), store.folder("owner/repo:Q8_0") / "m.gguf");
  store.remove("smollm2-135m");
  EXPECT_FALSE(fs::exists(file));
  EXPECT_EQ(store.list().size(), 1u);
  EXPECT_THROW(store.remove("smollm2-135m"), Error);
}

TEST(Store, UnknownNamesGetHelp) {
  TemporaryFolder folder;
  Store store(folder / "home");
  const Catalogue catalogue = Catalogue::built_in();
  store.put(stored(store, "mine"));
  EXPECT_NE(what([&] { store.resolve("mime", catalogue); }).find("did you mean mine"), std::string::npos);
  EXPECT_NE(what([&] { store.resolve("r1-distill-qwen-7b", catalogue); }).find("limpid pull r1-distill-qwen-7b"),
            std::string::npos);
  EXPECT_NE(what([&] { store.resolve("r1-distill-qwen-7b:Q1", catalogue); }).find("Q4_K_M"), std::string::npos);
  EXPECT_NE(what([&] { store.resolve("/nowhere/at/all.gguf", catalogue); }).find("/nowhere/at/all.gguf"),
            std::string::npos);
}

TEST(Store, ARepositoryThatIsNotHereIsToBePulled) {
  TemporaryFolder folder;
  Store store(folder / "home");
  const Catalogue catalogue = Catalogue::built_in();
  store.put(stored(store, "owner/repo:Q8_0"));
  EXPECT_EQ(what([&] { store.resolve("hf:x/y", catalogue); }),
            "model hf:x/y is not on this machine; `limpid pull hf:x/y` fetches it");
  EXPECT_EQ(what([&] {
              store.resolve("hf:owner/repo:Q4_0", catalogue);
            }).rfind("model hf:owner/repo:Q4_0 is not on this machine; `limpid pull hf:owner/repo:Q4_0` fetches it", 0),
            0u);
  EXPECT_NE(what([&] { store.resolve("hf:y", catalogue); }).find("expected"), std::string::npos);
}

TEST(Store, WhatIsNoFolderIsSaid) {
  TemporaryFolder folder;
  put(folder / "file", "");
  Store store(folder / "file");
  const std::string said = "the store " + (folder / "file").string() + " is no directory";
  EXPECT_EQ(what([&] { store.check(); }), said);
  EXPECT_EQ(what([&] { store.remove("x"); }), said);
  EXPECT_EQ(what([&] { store.resolve("x", Catalogue::built_in()); }), said);
  EXPECT_NO_THROW(Store(folder / "nothing").check());
  put(folder / "m.gguf", fake_gguf(100, 1));
  try {
    store.adopt(folder / "m.gguf");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::system);
    EXPECT_NE(std::string(error.what()).find(store.folder("m").string() + ": Not a directory"), std::string::npos)
        << error.what();
  }
}

TEST(Store, TwoQuantsOfOneModel) {
  TemporaryFolder folder;
  Store store(folder / "home");
  const Catalogue catalogue = Catalogue::built_in();
  store.put(stored(store, "r1-distill-qwen-7b:Q8_0"));
  store.put(stored(store, "r1-distill-qwen-7b:Q4_K_M"));
  EXPECT_EQ(store.resolve("r1-distill-qwen-7b", catalogue).parent_path(), store.folder("r1-distill-qwen-7b:Q4_K_M"))
      << "the preferred one";
  store.put(stored(store, "a/b:Q8_0"));
  store.put(stored(store, "a/b:Q4_0"));
  EXPECT_NE(what([&] { store.resolve("a/b", catalogue); }).find("a/b:Q4_0, a/b:Q8_0"), std::string::npos);
}

TEST(Store, NamesAreFoldersOfTheirOwn) {
  const Store store("/s");
  EXPECT_NE(store.folder("a:b"), store.folder("a/b"));
  EXPECT_NE(store.folder("a::b"), store.folder("a/b"));  // "@@" and "@@" would be one folder
  for (const char* bad : {"", ".", "..", ".hidden", "a b", "a\nb", "a\\b"})
    EXPECT_THROW(store.folder(bad), Error) << bad;
  EXPECT_THROW(store.folder("../../etc"), Error);
  EXPECT_EQ(store.folder("a/../../etc").parent_path(), "/s/models") << "no way out";
}

TEST(Store, BrokenManifestIsNamedNotFatal) {
  TemporaryFolder folder;
  Store store(folder.path());
  put(store.folder("x") / "model.json", "{\"version\": 1}");
  put(store.folder("y") / "model.json", std::string(100'000, '['));
  store.put(stored(store, "good"));
  std::vector<std::string> problems;
  EXPECT_EQ(store.list(&problems).size(), 1u);
  EXPECT_EQ(problems.size(), 2u);
}

TEST(Adopt, AFileStaysWhereItIs) {
  TemporaryFolder folder;
  Store store(folder / "home");
  put(folder / "My model-Q4_0.gguf", fake_gguf(500, 1));
  const std::vector<StoredModel> added = store.adopt(folder / "My model-Q4_0.gguf");
  ASSERT_EQ(added.size(), 1u);
  EXPECT_EQ(added[0].name, "My-model-Q4_0");
  EXPECT_EQ(added[0].bytes, 500u);
  EXPECT_EQ(store.resolve("My-model-Q4_0", Catalogue::built_in()), folder / "My model-Q4_0.gguf");
  store.remove("My-model-Q4_0");
  EXPECT_TRUE(fs::exists(folder / "My model-Q4_0.gguf")) << "removing an adopted model leaves its file";
  store.adopt(folder / "My model-Q4_0.gguf", "other");
  fs::remove(folder / "My model-Q4_0.gguf");
  EXPECT_NE(what([&] { store.resolve("other", Catalogue::built_in()); }).find("is gone"), std::string::npos);
}

TEST(Adopt, SplitFilesAreOneModel) {
  TemporaryFolder folder;
  for (const char* part : {"1", "2", "3"})
    put(folder / (std::string("m-0000") + part + "-of-00003.gguf"), fake_gguf(100, 2));
  const std::vector<FoundModel> found = find_models(folder / "m-00002-of-00003.gguf");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].path, folder / "m-00001-of-00003.gguf");
  EXPECT_EQ(found[0].bytes, 300u);
  EXPECT_EQ(find_models(folder.path()).size(), 1u);
  fs::remove(folder / "m-00003-of-00003.gguf");
  EXPECT_THROW(find_models(folder / "m-00001-of-00003.gguf"), Error);
}

TEST(Adopt, RefusesWhatIsNoModel) {
  TemporaryFolder folder;
  Store store(folder / "home");
  put(folder / "page.gguf", "<html>not found</html>");
  put(folder / "short.gguf", "GG");
  put(folder / "text.txt", "hello");
  EXPECT_THROW(store.adopt(folder / "page.gguf"), Error);
  EXPECT_THROW(store.adopt(folder / "short.gguf"), Error);
  EXPECT_THROW(store.adopt(folder / "text.txt"), Error);
  EXPECT_THROW(store.adopt(folder / "absent.gguf"), Error);
  fs::create_directories(folder / "empty");
  EXPECT_THROW(store.adopt(folder / "empty"), Error);
  EXPECT_TRUE(store.list().empty());
}

TEST(Adopt, LooksTwoFoldersDeepAndNoFurther) {
  TemporaryFolder folder;
  put(folder / "a" / "b" / "c" / "deep.gguf", fake_gguf(100, 1));
  EXPECT_NE(what([&] { find_models(folder.path()); }).find(folder.path().string()), std::string::npos);
  put(folder / "a" / "b" / "near.gguf", fake_gguf(100, 1));
  fs::create_directory_symlink(folder / "a", folder / "b");  // the same again
  const std::vector<FoundModel> found = find_models(folder.path());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "near");
}

TEST(Adopt, WhatCannotBeReadIsPassedOverOrNamed) {
  TemporaryFolder folder;
  fs::create_symlink("loop.gguf", folder / "loop.gguf");
  put(folder / "m.gguf", fake_gguf(100, 1));
  fs::create_directories(folder / "locked" / "inside");
  fs::permissions(folder / "locked", fs::perms::none);
  fs::permissions(folder.path(), fs::perms(0755));
  const uid_t user = geteuid();
  if (user == 0) {
    ASSERT_EQ(seteuid(65534), 0);  // root may read everything
  }
  const std::vector<FoundModel> found = find_models(folder.path());
  std::string message;
  ErrorKind kind{};
  try {
    find_models(folder / "locked");
  } catch (const Error& error) {
    message = error.what();
    kind = error.kind();
  }
  ASSERT_EQ(seteuid(user), 0);
  fs::permissions(folder / "locked", fs::perms::owner_all);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "m");
  EXPECT_EQ(kind, ErrorKind::input);
  EXPECT_NE(message.find((folder / "locked").string() + ": the directory cannot be read"), std::string::npos)
      << message;
}

TEST(Adopt, HuggingFaceCache) {
  TemporaryFolder folder;
  Store store(folder / "home");
  const fs::path repo = folder / "hub" / "models--owner--repo";
  put(repo / "refs" / "main", "abc123");
  put(repo / "blobs" / "1111", fake_gguf(700, 3));
  fs::create_directories(repo / "snapshots" / "abc123");
  fs::create_symlink("../../blobs/1111", repo / "snapshots" / "abc123" / "m-Q8_0.gguf");
  const std::vector<StoredModel> added = store.adopt(repo);
  ASSERT_EQ(added.size(), 1u);
  EXPECT_EQ(added[0].name, "owner/repo:Q8_0");
  EXPECT_EQ(added[0].revision, "abc123");
  EXPECT_EQ(added[0].bytes, 700u);
  EXPECT_EQ(store.resolve("owner/repo:Q8_0", Catalogue::built_in()), repo / "snapshots" / "abc123" / "m-Q8_0.gguf");
  put(repo / "refs" / "main", "../../../x");
  EXPECT_THROW(find_models(repo), Error);
}

TEST(Resolve, PathsComeFirst) {
  TemporaryFolder folder;
  Store store(folder / "home");
  const Catalogue catalogue = Catalogue::built_in();
  put(folder / "one" / "m.gguf", fake_gguf(50, 1));
  put(folder / "shape" / "config.json", "{}");
  EXPECT_EQ(store.resolve((folder / "one").string(), catalogue), folder / "one" / "m.gguf");
  EXPECT_EQ(store.resolve((folder / "shape").string(), catalogue), folder / "shape");
  put(folder / "one" / "n.gguf", fake_gguf(50, 1));
  EXPECT_NE(what([&] { store.resolve((folder / "one").string(), catalogue); }).find("m.gguf, n.gguf"),
            std::string::npos);
}

TEST(Resolve, APartOfADirectoryNamesTheDirectory) {
  TemporaryFolder folder;
  for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json"})
    put(folder / "whole" / name, "{}");
  put(folder / "alone" / "model.safetensors", "");
  for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json"})
    EXPECT_NE(what([&] {
                resolve_path((folder / "whole" / name).string());
              }).find("give its directory instead: " + (folder / "whole").string()),
              std::string::npos)
        << name;
  EXPECT_NE(what([&] { resolve_path((folder / "alone" / "model.safetensors").string()); }).find("config.json"),
            std::string::npos);
  EXPECT_FALSE(resolve_path((folder / "none.gguf").string()));
}
