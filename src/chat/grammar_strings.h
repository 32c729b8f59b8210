// JSON strings as parts of a net. What may stand in them is valid UTF-8 without control characters; escapes are whole
// (surrogates in pairs).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "chat/grammar_dfa.h"
#include "chat/grammar_net.h"

namespace limpid {

// The texts that a stream parser takes for the beginning or end of something wherever they stand
// (text/stream_parser.h). Nothing that a grammar writes contains one spelled out.
std::span<const std::string_view> parser_marks();

// A string of least to most characters (most < 0: no end), with every escape of JSON. Shared by all who call it.
NetRule free_string_rule(NetBuilder& net, std::int64_t least, std::int64_t most);

// A string that the automaton accepts. Each character has one form: as it is, or its short escape, or \u00xx for other
// control characters. Throws Error(input) beginning with `where` where the automaton forces the text of a mark.
NetState pattern_string(NetBuilder& net, NetState from, const Dfa& dfa, const std::string& where);

// The text that the automaton accepts, as it is and without quotes: numbers. ASCII only.
NetState pattern_text(NetBuilder& net, NetState from, const Dfa& dfa);

// One of these strings, quoted. Characters beyond ASCII may be written as they are or as \uxxxx.
NetState literal_strings(NetBuilder& net, NetState from, std::span<const std::string> texts);

}  // namespace limpid
