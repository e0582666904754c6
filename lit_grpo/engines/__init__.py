"""The engines that sample tokens: transformers, vLLM and a scripted one, and how the weights reach them."""
