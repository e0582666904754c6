"""Policy losses over flat tokens: surrogates, reductions, KL to a reference. Tensors only, no model, no Lightning."""
