// The bounds of the program that reads PDFs, shown by programs that break them; and, where it is installed, the real
// one.
#include "server/pdf_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "base/error.h"
#include "server/document_index.h"
#include "server/document_passages.h"

namespace limpid {
namespace {

namespace fs = std::filesystem;

// A line of text on each page.
std::string small_pdf(const std::vector<std::string>& pages) {
  std::vector<std::string> objects{"<< /Type /Catalog /Pages 2 0 R >>", "",
                                   "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"};
  std::string kids;
  for (const std::string& text : pages) {
    const std::string content = "BT /F1 18 Tf 72 700 Td (" + text + ") Tj ET";
    kids += std::to_string(objects.size() + 1) + " 0 R ";
    objects.push_back(
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
        "/Contents " +
        std::to_string(objects.size() + 2) + " 0 R >>");
    objects.push_back("<< /Length " + std::to_string(content.size()) + " >>\nstream\n" + content + "\nendstream");
  }
  objects[1] = "<< /Type /Pages /Kids [" + kids + "] /Count " + std::to_string(pages.size()) + " >>";
  std::string out = "%PDF-1.4\n", places;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    std::string place = std::to_string(out.size());
    places += std::string(10 - place.size(), '0') + place + " 00000 n \n";
    out += std::to_string(i + 1) + " 0 obj\n" + objects[i] + "\nendobj\n";
  }
  const std::string start = std::to_string(out.size()), count = std::to_string(objects.size() + 1);
  return out + "xref\n0 " + count + "\n0000000000 65535 f \n" + places + "trailer\n<< /Size " + count +
         " /Root 1 0 R >>\nstartxref\n" + start + "\n%%EOF\n";
}

class PdfText : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) /
            (std::string("pdf-") + ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    fs::create_directories(root_ / "papers");
    root_ = fs::canonical(root_);
  }
  void TearDown() override { fs::remove_all(root_); }

  // A program in place of pdftotext; $4 is the file.
  std::string program(const std::string& lines) {
    const fs::path path = root_ / "program";
    std::ofstream(path) << "#!/bin/sh\n" << lines << "\n";
    fs::permissions(path, fs::perms::owner_all);
    return path.string();
  }
  ErrorKind kind_of(const std::string& lines, PdfTextLimits limits = {}) {
    try {
      pdf_text(program(lines), "/some.pdf", limits);
    } catch (const Error& error) {
      return error.kind();
    }
    ADD_FAILURE() << "no error: " << lines;
    return ErrorKind::system;
  }
  fs::path root_;
};

TEST_F(PdfText, GivesWhatTheProgramSays) {
  EXPECT_EQ(pdf_text(program("echo \"$1 $2 $3 $4 $5\"; cat"), "/a b.pdf"), "-q -enc UTF-8 /a b.pdf -\n");
  EXPECT_EQ(pdf_text(program("exec 3>&1; ls /proc/self/fd | wc -l | tr -d ' '"), "/a.pdf"), "5\n")
      << "0, 1, 2, the 3 of the script, and what ls opens: nothing of ours";
}

TEST_F(PdfText, HasBounds) {
  PdfTextLimits quick;
  quick.seconds = 0.4;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(kind_of("sleep 60", quick), ErrorKind::resources);
  EXPECT_EQ(kind_of("sleep 60 & exec >/dev/null; sleep 60", quick), ErrorKind::resources);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  PdfTextLimits small;
  small.bytes = 1000;
  EXPECT_EQ(kind_of("while :; do echo 0123456789012345678901234567890123456789; done", small), ErrorKind::resources);
  PdfTextLimits unwanted;
  unwanted.cancelled = [] { return true; };
  EXPECT_EQ(kind_of("sleep 60", unwanted), ErrorKind::cancelled);
  EXPECT_EQ(kind_of("exit 3"), ErrorKind::input);
  EXPECT_EQ(kind_of("kill -9 $$"), ErrorKind::input);
  // It may write no file. Its limits are there a moment after its start, hence the pause.
  kind_of("sleep 0.3; echo x >" + (root_ / "written").string() + " || exit 1");
  EXPECT_TRUE(!fs::exists(root_ / "written") || fs::file_size(root_ / "written") == 0);
  EXPECT_THROW(pdf_text((root_ / "nothing").string(), "/a.pdf"), Error);
}

TEST_F(PdfText, PagesAreCutEachForItself) {
  const auto passages = cut_pages("first page\n\fsecond page\n\f# Head\nthird\n");
  ASSERT_EQ(passages.size(), 3U);
  EXPECT_EQ(passages[0].title, "p. 1");
  EXPECT_EQ(passages[1].title, "p. 2");
  EXPECT_EQ(passages[2].title, "Head");
  EXPECT_TRUE(is_pdf("A.PDF"));
  EXPECT_FALSE(is_pdf("pdf"));
}

TEST_F(PdfText, AFolderSaysWhatNobodyHereReads) {
  std::ofstream(root_ / "papers" / "a.pdf") << small_pdf({"x"});
  std::ofstream(root_ / "papers" / "b.txt") << "words\n";
  {
    DocumentIndex index((root_ / "index.db").string());
    index.add((root_ / "papers").string());
    index.wait();
    EXPECT_EQ(index.folders()[0].files, 1);
    EXPECT_EQ(index.folders()[0].unread_pdfs, 1);
  }
  // The program came later; and a broken file is known, with nothing to find.
  DocumentIndex index((root_ / "index.db").string(),
                      program("case $4 in *a.pdf) printf 'one\\fzebra two';; *) exit 1;; esac"));
  index.wait();
  std::ofstream(root_ / "papers" / "broken.pdf") << "%PDF-";
  index.rescan();
  index.wait();
  EXPECT_EQ(index.folders()[0].files, 3);
  EXPECT_EQ(index.folders()[0].unread_pdfs, 0);
  const auto found = index.search("zebra", 5);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].file, "a.pdf");
  EXPECT_EQ(found[0].title, "p. 2");
}

TEST_F(PdfText, TheRealProgramReadsARealFile) {
  const std::string real = find_program("pdftotext");
  if (real.empty()) GTEST_SKIP() << "pdftotext is not installed (Debian: poppler-utils)";
  std::ofstream(root_ / "papers" / "real.pdf", std::ios::binary)
      << small_pdf({"The first page", "An okapi on the second"});
  DocumentIndex index((root_ / "index.db").string(), real);
  index.add((root_ / "papers").string());
  index.wait();
  const auto found = index.search("okapi", 5);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].title, "p. 2");
  EXPECT_EQ(found[0].text, "An okapi on the second");
  std::ofstream(root_ / "papers" / "bad.pdf", std::ios::binary) << std::string(5000, 'x');
  EXPECT_THROW(pdf_text(real, root_ / "papers" / "bad.pdf"), Error);
}

}  // namespace
}  // namespace limpid
