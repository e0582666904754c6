"""The engine in this process, on transformers: prefill once per group, a cache kept over turns, seeded draws."""
