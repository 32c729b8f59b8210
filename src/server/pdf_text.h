// The text of a PDF, by the program pdftotext where the machine has it (Debian: poppler-utils). limpid holds no PDF
// reader: a format of this size is read by a process of its own, with bounds on time, memory and output, that may write
// no file.
//
// From any thread; blocks until the program has ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace limpid {

struct PdfTextLimits {
  double seconds = 30;
  std::size_t bytes = std::size_t{4} << 20;       // of text
  std::uint64_t memory = std::uint64_t{1} << 30;  // of the program
  std::function<bool()> cancelled;                // asked every tenth of a second
};

// The path of a program that PATH knows; empty: none.
std::string find_program(const std::string& name);

// UTF-8 as the program gives it, a form feed between pages. Throws Error: input where the program cannot read the file,
// resources where a limit is reached, cancelled, system. `pdf`: an absolute path.
std::string pdf_text(const std::string& program, const std::filesystem::path& pdf, const PdfTextLimits& limits = {});

}  // namespace limpid
