#include "hub/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "base/error.h"

namespace limpid {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBlock = 1 << 20;

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, const char* doing) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail_errno(doing, path.string());
  }
  ~Descriptor() { close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string digest(const EVP_MD* kind, const std::string& prefix, const fs::path& path, const HashProgress& progress) {
  const Descriptor file(path, O_RDONLY, "open");
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), kind, nullptr) != 1)
    fail(ErrorKind::system, "{}: no digest from OpenSSL", path.string());
  EVP_DigestUpdate(context.get(), prefix.data(), prefix.size());
  std::vector<unsigned char> block(kBlock);
  for (;;) {
    const ssize_t n = read(file.get(), block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno("read", path.string());
    if (n == 0) break;
    EVP_DigestUpdate(context.get(), block.data(), static_cast<std::size_t>(n));
    if (progress) progress(static_cast<std::uint64_t>(n));
  }
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_DigestFinal_ex(context.get(), bytes, &length);
  std::string text;
  for (unsigned i = 0; i < length; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

}  // namespace

std::uint64_t free_disk(const fs::path& folder) {
  fs::path place = fs::absolute(folder);
  std::error_code error;
  while (!fs::exists(place, error) && place.has_parent_path() && place != place.parent_path())
    place = place.parent_path();
  const fs::space_info space = fs::space(place, error);
  return error ? 0 : space.available;
}

void make_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail(ErrorKind::system, "create the folder {}: {}", folder.string(), error.message());
}

std::string sha256_of_file(const fs::path& path, const HashProgress& progress) {
  return digest(EVP_sha256(), "", path, progress);
}

std::string git_sha1_of_file(const fs::path& path, const HashProgress& progress) {
  std::string prefix = "blob " + std::to_string(fs::file_size(path));
  prefix.push_back('\0');
  return digest(EVP_sha1(), prefix, path, progress);
}

}  // namespace limpid
