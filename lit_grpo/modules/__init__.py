"""LightningModules: supervised fine-tuning and GRPO."""
