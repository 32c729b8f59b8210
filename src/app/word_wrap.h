// Text for a terminal as it streams, broken between words: a word is written as far as it has come, and is taken to the
// next row when it turns out not to fit. Wide characters (Chinese, emoji) may be parted anywhere. Blocks of code (```)
// and words of more than half a row are left to the terminal, so that what is copied out of it stays as it was.
#pragma once

#include <string>
#include <string_view>

namespace limpid {

class WordWrap {
 public:
  explicit WordWrap(int columns) : columns_(columns) {}

  // What to write to the terminal for this text: whole characters, printable (chat_screen.h).
  std::string add(std::string_view text);
  void resize(int columns);         // the window has changed: may be called before every add
  int row() const { return row_; }  // of the cursor; the first is 0

 private:
  void line_end(std::string& out);
  void character(std::string_view bytes, int width, std::string& out);

  int columns_;
  int row_ = 0, column_ = 0;
  std::string word_;  // what stands in this row since the last place to break
  int word_width_ = 0;
  std::string line_;             // the beginning of this line of the text
  bool code_ = false;            // between ``` and ```
  bool broke_at_space_ = false;  // this row began where a space was
};

}  // namespace limpid
