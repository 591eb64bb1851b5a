"""Small models of each family, with random weights and tokenizers that are trained on a few sentences."""

import json
import pathlib
import random

import sentencepiece
import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS = """the a quick brown fox jumps over lazy dogs and reads 1234 books in 2026, doesn't it? she'll say: "no!" naïve café
straße über Zürich привет мир 你好 世界 hello_world foo(bar)[3] += 0x1F; x = y*z\n\tindented   spaces I'VE WE'RE e-mail
a@b.org https://example.com/path?q=1 100,000.50 €5 😀 once upon time there was little house by river""".split(" ")

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def sentences(count, seed=1):
    chance = random.Random(seed)
    return [" ".join(chance.choice(WORDS) for _ in range(chance.randint(1, 14))) for _ in range(count)]


def byte_level(folder, pattern=None, special=("<s>", "</s>"), first=True, ignore_merges=False, extra=()):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if pattern:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=480,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(special),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(400), trainer)
    for text in extra:
        tokenizer.add_tokens([text])
    if first:
        number = tokenizer.token_to_id(special[0])
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{special[0]} $A", special_tokens=[(special[0], number)]
        )
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=special[0] if first else None, eos_token=special[-1]
    )
    wrapped.save_pretrained(folder)
    return len(tokenizer.get_vocab())


def pieces(folder, kind):
    """A vocabulary that SentencePiece trained, as transformers turns it into its own."""
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "text.txt"
    text.write_text("\n".join(sentences(600)), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=620,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        hard_vocab_limit=False,
        minloglevel=2,
        **({"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3} if kind == "gemma" else {}),
    )
    text.unlink()
    made = getattr(transformers, {"llama": "LlamaTokenizer", "gemma": "GemmaTokenizer"}[kind]).from_pretrained(folder)
    made.save_pretrained(folder)
    for left in ["tokenizer.model", "tokenizer.vocab"]:
        (folder / left).unlink(missing_ok=True)
    return len(made)


def words(folder):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(sentences(400), trainer)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token="[MASK]",
    )
    wrapped.save_pretrained(folder)
    return len(tokenizer.get_vocab())


def roberta_bytes(folder):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=480, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(sentences(400), trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )
    wrapped.save_pretrained(folder)
    return len(tokenizer.get_vocab())


def unigram(folder):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=280, special_tokens=special, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(sentences(400), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )
    wrapped.save_pretrained(folder)
    return len(tokenizer.get_vocab())


COMMON = dict(
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    initializer_range=0.15,
    bos_token_id=0,
    eos_token_id=1,
    pad_token_id=None,
)
ENCODER = {key: value for key, value in COMMON.items() if key not in ("num_key_value_heads", "bos_token_id", "eos_token_id")}
STRETCHED = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)
LONG = dict(
    rope_type="longrope",
    rope_theta=10000.0,
    short_factor=[1.0 + 0.05 * n for n in range(8)],
    long_factor=[1.0 + 0.5 * n for n in range(8)],
    original_max_position_embeddings=256,
)

# name: (model, tokenizer, settings)
FAMILIES = {
    "llama3": (
        "Llama",
        lambda f: byte_level(f, LLAMA3, ignore_merges=True, extra=["<tool>", "  "]),
        dict(rope_parameters=STRETCHED),
    ),
    "llama2": ("Llama", lambda f: pieces(f, "llama"), dict(tie_word_embeddings=True)),
    "llama-bias": ("Llama", lambda f: byte_level(f, None, first=False), dict(attention_bias=True, mlp_bias=True, head_dim=24)),
    "mistral": ("Mistral", lambda f: pieces(f, "llama"), dict(sliding_window=None, head_dim=16)),
    "qwen2": ("Qwen2", lambda f: byte_level(f, QWEN2, first=False), dict(tie_word_embeddings=False)),
    "qwen3": ("Qwen3", lambda f: byte_level(f, QWEN2, first=False), dict(head_dim=32, tie_word_embeddings=True)),
    "gemma": ("Gemma", lambda f: pieces(f, "gemma"), dict(head_dim=24)),
    "gemma2": (
        "Gemma2",
        lambda f: pieces(f, "gemma"),
        dict(head_dim=24, query_pre_attn_scalar=24, sliding_window=16, num_hidden_layers=4),
    ),
    "gemma3": (
        "Gemma3",
        lambda f: pieces(f, "gemma"),
        dict(head_dim=24, query_pre_attn_scalar=24, sliding_window=16, num_hidden_layers=7),
    ),
    "phi3": ("Phi3", lambda f: pieces(f, "llama"), dict(num_key_value_heads=4, sliding_window=None)),
    "phi3-long": (
        "Phi3",
        lambda f: byte_level(f, LLAMA3, first=False),
        dict(rope_parameters=LONG, max_position_embeddings=512, original_max_position_embeddings=256, sliding_window=None),
    ),
    "bert": ("Bert", words, dict(type_vocab_size=2)),
    "roberta": ("Roberta", roberta_bytes, dict(type_vocab_size=1, pad_token_id=1, max_position_embeddings=130)),
    "xlm-roberta": ("XLMRoberta", unigram, dict(type_vocab_size=1, pad_token_id=1, max_position_embeddings=130)),
}
ENCODERS = ("Bert", "Roberta", "XLMRoberta")


def disturb(model):
    """Norms and biases that are not what they begin as, so that none can be lost or mixed up unseen."""
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if tensor.dim() == 1:
                tensor.add_(torch.randn_like(tensor) * 0.2)


def make(folder, name, dtype=torch.float32):
    """Writes a model of a family into a folder."""
    kind, tokenizer, settings = FAMILIES[name]
    folder = pathlib.Path(folder)
    tokens = tokenizer(folder)
    torch.manual_seed(len(name))
    base = ENCODER if kind in ENCODERS else COMMON
    class_of_config = "Gemma3TextConfig" if kind == "Gemma3" else f"{kind}Config"
    # More rows than tokens, as many models have.
    config = getattr(transformers, class_of_config)(**{**base, "vocab_size": tokens + 5, **settings})
    model = getattr(transformers, f"{kind}Model" if kind in ENCODERS else f"{kind}ForCausalLM")(config)
    disturb(model)
    model.to(dtype).save_pretrained(folder, max_shard_size="120KB" if name == "llama3" else "5GB")
    return json.loads((folder / "config.json").read_text())
