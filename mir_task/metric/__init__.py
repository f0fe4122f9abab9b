"""Tensors in, numbers out: the Fréchet distance, MIR and its uncertainty (arXiv 2410.07167, eq. 1-4)."""
