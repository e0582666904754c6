"""What samples tokens: transformers, vLLM and a scripted engine, and how the weights reach them."""
