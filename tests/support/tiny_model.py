"""A real but tiny base model for tests: random weights, a tokenizer trained here, the layout of an imported base.

Everything is seeded, so the folder has the same digest wherever and whenever it is written.
"""

import hashlib
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tunesmith.adapters.storage import file_entry
from tunesmith.contracts.identity import digest
from tunesmith.contracts.models import BaseModelManifest

CONTEXT_LENGTH = 2_048
VOCABULARY = 384

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

CORPUS = [
    "Return the number of elements in the container, which must be finite.",
    "Summarise this function in one line: def area(width, height): return width * height",
    "Raise ValueError if the argument is not a positive integer.",
    "Open the file, read all of its lines and close it again.",
    "The quick brown fox jumps over the lazy dog, and the dog does not mind.",
    "Ein Überblick über Größe und Gewicht; 日本語のテキスト; emoji 🙂🚀.",
]


def write_tiny_base(folder: Path, name: str = "tiny") -> BaseModelManifest:
    """Write a two-layer Llama of about 100,000 parameters into `folder`; its manifest comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = tiny_tokenizer()
    model = tiny_llama(tokenizer)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    files = [file_entry(folder, path.name) for path in sorted(folder.iterdir()) if path.name != "manifest.json"]
    manifest = BaseModelManifest(
        name=name,
        source="random weights for tests",
        licence="Apache-2.0",
        files=files,
        digest=digest([[entry.path, entry.sha256] for entry in files]),
        template_hash=hashlib.sha256(CHAT_TEMPLATE.encode()).hexdigest(),
        parameters=model.num_parameters(),
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return manifest


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: it can spell every text, and cuts multi-byte characters into several tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT_LENGTH,
        clean_up_tokenization_spaces=False,
    )


def tiny_llama(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Random weights from a fixed seed; the generator of the caller is left as it was."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(config)
