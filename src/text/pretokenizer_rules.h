// The scanners of the published splitting rules: each match_... gives the end of the match that starts at p, or p when
// there is none, exactly as a backtracking engine would find it at that place. Bytes must be valid UTF-8; p < end.
#pragma once

namespace limpid::rules {

const char* match_gpt2(const char* p, const char* end);
const char* match_llama3(const char* p, const char* end);
const char* match_qwen2(const char* p, const char* end);
const char* match_kimi_k2(const char* p, const char* end);
const char* match_deepseek_v3(const char* p, const char* end);
const char* match_numbers_1_to_3(const char* p, const char* end);
const char* match_deepseek_v3_cjk(const char* p, const char* end);
const char* match_newline(const char* p, const char* end);
const char* match_deepseek_letters(const char* p, const char* end);
const char* match_deepseek_symbols(const char* p, const char* end);
const char* match_deepseek_cjk(const char* p, const char* end);
const char* match_space_letters(const char* p, const char* end);
const char* match_space_punctuation(const char* p, const char* end);
const char* match_number(const char* p, const char* end);
const char* match_numbers(const char* p, const char* end);
const char* match_digit(const char* p, const char* end);
const char* match_digits(const char* p, const char* end);

}  // namespace limpid::rules
