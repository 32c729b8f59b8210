"""Models that say what a test wants, made on the spot with nothing but the standard library: a Llama in GGUF whose next
token depends on the last one alone. Attention and the first layers add nothing; embeddings are one-hot, and the output
matrix holds which token follows which."""
import struct

CONTROL = ["<|begin|>", "<|user|>", "<|assistant|>", "<think>", "</think>", "<|end|>"]
BEGIN, USER, ASSISTANT, THINK, CLOSE, END = range(256, 262)
# R1's way: the prompt ends inside the thinking, and the thinking of earlier answers is left out.
TEMPLATE = (
    "{{ '<|begin|>' }}{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}"
    "{% elif m.role == 'assistant' %}<|assistant|>{{ m.content.split('</think>')[-1] }}<|end|>"
    "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
PLAIN_TEMPLATE = TEMPLATE.replace("<think>\n", "\n\n")  # of a model that does not think


def byte_characters():
    """GPT-2's letters for the 256 bytes."""
    other, out = 256, []
    for byte in range(256):
        itself = 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE
        out.append(chr(byte if itself else other))
        other += not itself
    return out


def gguf_value(value):
    """(type, bytes) of a metadata value."""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, str):
        raw = value.encode()
        return 8, struct.pack("<Q", len(raw)) + raw
    items = [gguf_value(item) for item in value]
    kind = 5 if isinstance(value[0], int) else items[0][0]
    return 9, struct.pack("<IQ", kind, len(items)) + b"".join(raw for _, raw in items)


def write_gguf(path, metadata, tensors):
    """tensors: name -> (dimensions as GGUF has them, {offset in floats: float}); all else is zero and takes no disk."""
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        kind, raw = gguf_value(value)
        head += struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + raw
    offset = 0
    places = {}
    for name, (dims, _) in tensors.items():
        head += struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", len(dims))
        head += struct.pack(f"<{len(dims)}Q", *dims) + struct.pack("<IQ", 0, offset)
        places[name] = offset
        size = 4
        for dim in dims:
            size *= dim
        offset += (size + 31) // 32 * 32
    start = (len(head) + 31) // 32 * 32
    with open(path, "wb") as file:
        file.write(head)
        for name, (_, values) in tensors.items():
            for at, value in values.items():
                file.seek(start + places[name] + 4 * at)
                file.write(struct.pack("<f", value))
        file.truncate(start + offset)


def make_model(path, thinking, answer, name, answer_ends=True, thinks=True, hidden=8192, template=None):
    """A model that thinks `thinking` (a list of pieces of text) over and over, until it is made to answer, and answers
    `answer`, once or over and over. hidden: work for a token, so that a person or a test can keep up."""
    tokens = byte_characters() + CONTROL
    newlines = len(tokens)
    tokens.append("ĊĊ")  # "\n\n", which stands between thinking and answer
    letters = dict(zip(range(256), byte_characters()))
    spell = lambda text: "".join(letters[byte] for byte in text.encode())
    first_thought = len(tokens)
    tokens += [spell(piece) for piece in thinking]
    first_word = len(tokens)
    tokens += [spell(piece) for piece in answer]
    follows = {10: first_thought, newlines: first_word}
    for i in range(len(thinking)):
        follows[first_thought + i] = first_thought + (i + 1) % len(thinking)
    for i in range(len(answer)):
        last = i + 1 == len(answer)
        follows[first_word + i] = (END if answer_ends else first_word) if last else first_word + i + 1
    vocabulary = len(tokens)
    width = (vocabulary + 63) // 64 * 64
    head = 64
    metadata = {
        "general.architecture": "llama", "general.name": name, "llama.block_count": 1, "llama.context_length": 32768,
        "llama.embedding_length": width, "llama.feed_forward_length": hidden, "llama.attention.head_count": width // head,
        "llama.attention.head_count_kv": 1, "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 10000.0, "llama.rope.dimension_count": head, "llama.vocab_size": vocabulary,
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if 256 <= i < 262 else 1 for i in range(vocabulary)],
        "tokenizer.ggml.merges": ["Ċ Ċ"], "tokenizer.ggml.bos_token_id": BEGIN, "tokenizer.ggml.eos_token_id": END,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": template or (TEMPLATE if thinks else PLAIN_TEMPLATE),
    }
    ones = {i: 1.0 for i in range(width)}
    one_hot = {i * width + i: 1.0 for i in range(vocabulary)}
    # A one-hot row leaves the norm as sqrt(width): the chosen token is at about 10, another one at 8, the rest at 0.
    scale = width ** -0.5
    output = {}
    for token, then in follows.items():
        output[then * width + token] = 10 * scale
        output[ord("?") * width + token] = 8 * scale
    write_gguf(path, metadata, {
        "token_embd.weight": ([width, vocabulary], one_hot), "output.weight": ([width, vocabulary], output),
        "output_norm.weight": ([width], ones), "blk.0.attn_norm.weight": ([width], ones),
        "blk.0.ffn_norm.weight": ([width], ones), "blk.0.attn_q.weight": ([width, width], {}),
        "blk.0.attn_k.weight": ([width, head], {}), "blk.0.attn_v.weight": ([width, head], {}),
        "blk.0.attn_output.weight": ([width, width], {}), "blk.0.ffn_gate.weight": ([width, hidden], {}),
        "blk.0.ffn_up.weight": ([width, hidden], {}), "blk.0.ffn_down.weight": ([hidden, width], {}),
    })
